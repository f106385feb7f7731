package io.xenemu.core.backend.net;

import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import org.jspecify.annotations.Nullable;

/// The one frame that a queue holds on its way to the guest, in private memory. Reused; one thread uses it.
final class RxFrame {
    private final MemorySegment bytes;
    private final VnetHeader header;
    private final IoVectors vectors;
    private int length;

    RxFrame(SegmentAllocator buffers) {
        // One byte more than any frame, so that a frame that was cut is seen.
        bytes = buffers.allocate(RxFeatures.MAX_FRAME + 1, Long.BYTES);
        header = new VnetHeader(buffers);
        vectors = new IoVectors(buffers, 2);
        vectors.add(header.memory().address(), VnetHeader.BYTES);
        vectors.add(bytes.address(), RxFeatures.MAX_FRAME + 1);
    }

    /// Takes the host's next frame.
    ///
    /// @return bytes of the frame and its header, or a negated errno
    long receive(FramePort port) {
        long result = port.receive(vectors);
        length = (int) Math.max(0, result - VnetHeader.BYTES);
        return result;
    }

    int length() {
        return length;
    }

    MemorySegment bytes() {
        return bytes;
    }

    VnetHeader header() {
        return header;
    }

    boolean isSegmented() {
        return header.gsoType() != VnetHeader.GSO_NONE;
    }

    /// The number of slots of the ring that the frame takes.
    int slots(RxFeatures features) {
        int room = GuestMemory.PAGE_SIZE - features.headroom();
        int extras = (isSegmented() ? 1 : 0) + (features.headroom() > 0 ? 1 : 0);
        return Math.max(1, (length + room - 1) / room) + extras;
    }

    /// The reason why the guest cannot take this frame, or null.
    @Nullable DropReason fault(RxFeatures features, MulticastFilter filter) {
        if (length < TxPacket.ETHERNET_BYTES || length > RxFeatures.MAX_FRAME) {
            return DropReason.SIZE;
        }
        boolean wanted =
                switch (header.gsoType()) {
                    case VnetHeader.GSO_NONE -> true;
                    case VnetHeader.GSO_TCPV4 -> features.segments4() && header.gsoSize() != 0;
                    case VnetHeader.GSO_TCPV6 -> features.segments6() && header.gsoSize() != 0;
                    default -> false;
                };
        boolean blank = (header.flags() & VnetHeader.NEEDS_CSUM) != 0;
        int room = GuestMemory.PAGE_SIZE - features.headroom();
        if (!wanted || (blank && !features.checksum()) || (length > room && !features.scatter())) {
            return DropReason.UNWANTED;
        }
        return filter.admits(EthernetAddress.read(bytes, 0)) ? null : DropReason.FILTER;
    }
}
