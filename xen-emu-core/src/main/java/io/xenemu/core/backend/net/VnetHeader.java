package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.xenemu.kvm.net.Tap;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;

/// The header in front of each frame of a tap: `struct virtio_net_hdr` (virtio 1.2, section 5.1.6; little-endian, as
/// x86 is).
final class VnetHeader {
    static final int BYTES = Tap.HEADER_BYTES;

    /// `VIRTIO_NET_HDR_F_*`.
    static final int NEEDS_CSUM = 1;

    static final int DATA_VALID = 2;

    /// `VIRTIO_NET_HDR_GSO_*`.
    static final int GSO_NONE = 0;

    static final int GSO_TCPV4 = 1;
    static final int GSO_TCPV6 = 4;
    static final int GSO_ECN = 0x80;

    private static final long FLAGS = 0;
    private static final long GSO_TYPE = 1;
    private static final long HDR_LEN = 2;
    private static final long GSO_SIZE = 4;
    private static final long CSUM_START = 6;
    private static final long CSUM_OFFSET = 8;

    private final MemorySegment memory;

    VnetHeader(SegmentAllocator allocator) {
        memory = allocator.allocate(BYTES, Long.BYTES);
    }

    /// The header's bytes.
    MemorySegment memory() {
        return memory;
    }

    void clear() {
        memory.fill((byte) 0);
    }

    void checksum(int start, int offset) {
        memory.set(JAVA_BYTE, FLAGS, (byte) NEEDS_CSUM);
        memory.set(JAVA_SHORT_UNALIGNED, CSUM_START, (short) start);
        memory.set(JAVA_SHORT_UNALIGNED, CSUM_OFFSET, (short) offset);
    }

    void segments(int type, int size, int headerBytes) {
        memory.set(JAVA_BYTE, GSO_TYPE, (byte) type);
        memory.set(JAVA_SHORT_UNALIGNED, GSO_SIZE, (short) size);
        memory.set(JAVA_SHORT_UNALIGNED, HDR_LEN, (short) headerBytes);
    }

    int flags() {
        return Byte.toUnsignedInt(memory.get(JAVA_BYTE, FLAGS));
    }

    /// [#GSO_NONE] or another, without [#GSO_ECN].
    int gsoType() {
        return Byte.toUnsignedInt(memory.get(JAVA_BYTE, GSO_TYPE)) & ~GSO_ECN;
    }

    /// Where the bytes begin whose checksum is left out, in the frame.
    int checksumStart() {
        return Short.toUnsignedInt(memory.get(JAVA_SHORT_UNALIGNED, CSUM_START));
    }

    /// Where the checksum goes, from [#checksumStart] on.
    int checksumOffset() {
        return Short.toUnsignedInt(memory.get(JAVA_SHORT_UNALIGNED, CSUM_OFFSET));
    }

    int gsoSize() {
        return Short.toUnsignedInt(memory.get(JAVA_SHORT_UNALIGNED, GSO_SIZE));
    }
}
