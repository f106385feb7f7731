package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/// The checksum of IP, TCP and UDP (RFC 1071). The sum does not depend on the order of bytes, as long as it is stored
/// in the order in which it was read: here the machine's.
final class InternetChecksum {
    private static final long LOW = 0xffff_ffffL;
    private static final int SHORT_MASK = 0xffff;

    private InternetChecksum() {}

    /// The checksum of a range, as a 16-bit value to be stored in the machine's order.
    ///
    /// @param length bytes, less than 2^31
    static short of(MemorySegment memory, long at, int length) {
        long sum = 0;
        int done = 0;
        // Both halves stay far below 2^63 for any length.
        for (; done <= length - Long.BYTES; done += Long.BYTES) {
            long eight = memory.get(JAVA_LONG_UNALIGNED, at + done);
            sum += (eight & LOW) + (eight >>> Integer.SIZE);
        }
        if (done <= length - Integer.BYTES) {
            sum += memory.get(JAVA_INT_UNALIGNED, at + done) & LOW;
            done += Integer.BYTES;
        }
        if (done <= length - Short.BYTES) {
            sum += Short.toUnsignedLong(memory.get(JAVA_SHORT_UNALIGNED, at + done));
            done += Short.BYTES;
        }
        if (done < length) {
            // The missing byte is a zero after it.
            sum += Byte.toUnsignedLong(memory.get(JAVA_BYTE, at + done));
        }
        return (short) ~fold(sum);
    }

    /// Adds the carries of a sum of 16-bit values to it, until it is one.
    static int fold(long sum) {
        long folded = sum;
        while (folded > SHORT_MASK) {
            folded = (folded & SHORT_MASK) + (folded >>> Short.SIZE);
        }
        return (int) folded;
    }

    /// Fills in the checksum of a frame that its sender has left out. The place has the sum of the pseudo header.
    ///
    /// @param frame where the frame begins
    /// @param length its bytes
    static void complete(VnetHeader header, MemorySegment memory, long frame, int length) {
        int start = header.checksumStart();
        int place = start + header.checksumOffset();
        if ((header.flags() & VnetHeader.NEEDS_CSUM) == 0 || place + Short.BYTES > length) {
            return;
        }
        short sum = of(memory, frame + start, length - start);
        // Zero means that there is none in UDP, and the other zero is as good in TCP.
        memory.set(JAVA_SHORT_UNALIGNED, frame + place, sum == 0 ? (short) SHORT_MASK : sum);
    }
}
