package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

/// Checksums against a plain sum of 16-bit words.
class InternetChecksumPropertyTest {
    private static int plain(byte[] bytes, int from) {
        long sum = 0;
        for (int i = from; i < bytes.length; i += 2) {
            int low = i + 1 < bytes.length ? Byte.toUnsignedInt(bytes[i + 1]) : 0;
            sum += Byte.toUnsignedInt(bytes[i]) << 8 | low;
        }
        while (sum > 0xffff) {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        return (int) sum;
    }

    @Property
    void theSumIsThatOfItsDefinition(
            @ForAll @Size(max = 200) byte[] bytes, @ForAll @IntRange(max = 8) int from) {
        int begin = Math.min(from, bytes.length);
        short sum = InternetChecksum.of(MemorySegment.ofArray(bytes), begin, bytes.length - begin);
        assertEquals(~plain(bytes, begin) & 0xffff, Short.toUnsignedInt(Short.reverseBytes(sum)));
    }

    /// A receiver adds up everything, and gets ones alone.
    @Property
    void aCompletedFrameIsRight(
            @ForAll @Size(min = 40, max = 200) byte[] bytes,
            @ForAll @IntRange(max = 20) int start) {
        try (java.lang.foreign.Arena arena = java.lang.foreign.Arena.ofConfined()) {
            VnetHeader header = new VnetHeader(arena);
            header.clear();
            header.checksum(start, 16);
            MemorySegment frame = arena.allocate(bytes.length);
            MemorySegment.copy(bytes, 0, frame, JAVA_BYTE, 0, bytes.length);
            // The pseudo header's sum is whatever the guest has written there.
            InternetChecksum.complete(header, frame, 0, bytes.length);
            byte[] done = frame.toArray(JAVA_BYTE);
            int pseudo = Short.toUnsignedInt(ByteBuffer.wrap(bytes).getShort(start + 16));
            int all = plain(done, start) + pseudo;
            int folded = (all & 0xffff) + (all >> 16);
            // The place was counted twice in the sum that went into it, as the receiver's pseudo
            // header is.
            assertTrue(folded == 0xffff || folded == 0, () -> Integer.toHexString(folded));
            bytes[start + 16] = done[start + 16];
            bytes[start + 17] = done[start + 17];
            assertEquals(ByteBuffer.wrap(bytes), ByteBuffer.wrap(done), "nothing else has changed");
        }
    }
}
