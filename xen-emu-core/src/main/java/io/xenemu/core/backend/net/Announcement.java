package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.xenemu.core.toolstack.MacAddress;
import io.xenemu.kvm.file.IoVectors;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;

/// Tells the host's network at which port a restored guest is now: frames of the guest's address, which switches learn
/// from. They are requests of RARP (RFC 903), which nobody answers, as other machine monitors send them. The guest
/// itself sends nothing, since it does not notice its restore.
///
/// There are a few, with growing pauses: a bridge's port takes a moment until it forwards. Belongs to the queue's
/// thread.
final class Announcement {
    private static final int FRAMES = 5;
    private static final long FIRST_PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
    private static final long MORE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    /// The least bytes of a frame, without its checksum.
    private static final int FRAME_BYTES = 60;

    private static final int ADDRESS_BYTES = 6;
    private static final short TYPE_RARP = (short) 0x8035;
    private static final short HARDWARE_ETHERNET = 1;
    private static final short PROTOCOL_IPV4 = 0x0800;
    private static final byte IPV4_BYTES = 4;
    private static final short OPERATION_REVERSE = 3;

    private final FramePort port;
    private final MemorySegment memory;
    private final IoVectors vectors;
    private int sent;
    private long next;

    /// @param address the guest's
    /// @param now in nanoseconds
    Announcement(MacAddress address, FramePort port, SegmentAllocator buffers, long now) {
        this.port = port;
        memory = buffers.allocate(VnetHeader.BYTES + FRAME_BYTES, Long.BYTES);
        byte[] frame = frame(address);
        MemorySegment.copy(frame, 0, memory, JAVA_BYTE, VnetHeader.BYTES, frame.length);
        vectors = new IoVectors(buffers, 2);
        next = now;
    }

    /// The frame, from the guest's address to all.
    static byte[] frame(MacAddress address) {
        byte[] octets = new byte[ADDRESS_BYTES];
        for (int i = 0; i < ADDRESS_BYTES; i++) {
            octets[i] = (byte) (address.value() >> (Byte.SIZE * (ADDRESS_BYTES - 1 - i)));
        }
        ByteBuffer frame = ByteBuffer.allocate(FRAME_BYTES);
        for (int i = 0; i < ADDRESS_BYTES; i++) {
            frame.put((byte) 0xff);
        }
        frame.put(octets)
                .putShort(TYPE_RARP)
                .putShort(HARDWARE_ETHERNET)
                .putShort(PROTOCOL_IPV4)
                .put((byte) ADDRESS_BYTES)
                .put(IPV4_BYTES)
                .putShort(OPERATION_REVERSE);
        frame.put(octets).putInt(0).put(octets).putInt(0);
        return frame.array();
    }

    /// Sends a frame if one is due.
    ///
    /// @return the nanoseconds until the next one; 0 if all are sent
    long work(long now) {
        if (sent < FRAMES && now - next >= 0) {
            if (port.canSend()) {
                vectors.clear();
                vectors.add(memory.address(), VnetHeader.BYTES);
                vectors.add(memory.address() + VnetHeader.BYTES, FRAME_BYTES);
                // One that is lost is followed by others.
                long _ = port.send(vectors);
                boolean _ = port.flush();
            }
            next = now + FIRST_PAUSE_NANOS + sent * MORE_NANOS;
            sent++;
        }
        return sent < FRAMES ? Math.max(1, next - now) : 0;
    }
}
