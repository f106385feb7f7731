package io.xenemu.core.backend.net;

import io.xenemu.kvm.file.IoVectors;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import org.jspecify.annotations.Nullable;

/// The one frame that a queue holds on its way to the guest. The host puts it into the guest's pages, chunk by chunk,
/// as far as there are pages, and the rest into private memory. Its header is private, and all that is decided is
/// decided by that. Reused; one thread uses it.
final class RxFrame {
    /// Pages that are listed for the host while frames are small.
    private static final int FEW = 2;

    /// Small frames in a row after which the host has only [#FEW] pages. A larger one is copied.
    private static final int MANY_SMALL = 32;

    private final RxWindow window;
    private final MemorySegment rest;
    private final VnetHeader header;
    private final IoVectors vectors;
    private int length;

    /// Chunks that went into pages of the window, and the slots left free for extra information after the first.
    private int direct;

    private int gap;
    private int room;
    private int headroom;
    private int smallInARow;

    RxFrame(RxWindow window, SegmentAllocator buffers) {
        this.window = window;
        // One byte more than any frame, so that a frame that was cut is seen.
        rest = buffers.allocate(RxFeatures.MAX_FRAME + 1, Long.BYTES);
        header = new VnetHeader(buffers);
        vectors = new IoVectors(buffers, 2 + RxWindow.CAPACITY);
    }

    /// The entry that a chunk is in if so many slots after the first are for extra information.
    private static int entry(int chunk, int extras) {
        return chunk == 0 ? 0 : chunk + extras;
    }

    /// Takes the host's next frame.
    ///
    /// @return bytes of the frame and its header, or a negated errno
    long receive(FramePort port, RxFeatures features) {
        headroom = features.headroom();
        room = RxFeatures.PAGE - headroom;
        gap = features.mostExtras();
        direct = 0;
        vectors.clear();
        vectors.add(header.memory().address(), VnetHeader.BYTES);
        int most =
                smallInARow < MANY_SMALL
                        ? features.mostChunks()
                        : Math.min(FEW, features.mostChunks());
        while (direct < most && entry(direct, gap) < window.count() && hold(direct)) {
            vectors.add(page(entry(direct, gap)), room);
            direct++;
        }
        vectors.add(rest.address(), RxFeatures.MAX_FRAME + 1);
        long result = port.receive(vectors);
        length = (int) Math.max(0, result - VnetHeader.BYTES);
        if (length > FEW * room) {
            smallInARow = 0;
        } else if (length > 0 && smallInARow < MANY_SMALL) {
            smallInARow++;
        }
        return result;
    }

    private boolean hold(int chunk) {
        return window.hold(entry(chunk, gap));
    }

    private long page(int entry) {
        return window.memory(entry).address() + window.offset(entry) + headroom;
    }

    int length() {
        return length;
    }

    VnetHeader header() {
        return header;
    }

    boolean isSegmented() {
        return header.gsoType() != VnetHeader.GSO_NONE;
    }

    /// Bytes that are free in each page before its chunk.
    int headroom() {
        return headroom;
    }

    /// The number of slots with extra information that it needs.
    int extras() {
        return (isSegmented() ? 1 : 0) + (headroom > 0 ? 1 : 0);
    }

    /// The number of slots with data.
    int chunks() {
        return Math.max(1, (length + room - 1) / room);
    }

    /// The bytes of a chunk.
    int size(int chunk) {
        return Math.min(room, length - chunk * room);
    }

    /// Brings a chunk to its place, when all chunks before it are at theirs. The window has enough entries.
    ///
    /// @return false if the guest does not grant the page
    boolean settle(int chunk) {
        int to = entry(chunk, extras());
        if (!window.hold(to)) {
            return false;
        }
        if (chunk >= direct) {
            int from = (chunk - direct) * room;
            copy(rest, from, to, chunk);
        } else if (entry(chunk, gap) != to) {
            // No extra information came, for which a page was left free.
            int from = entry(chunk, gap);
            copy(window.memory(from), window.offset(from) + headroom, to, chunk);
        }
        return true;
    }

    private void copy(MemorySegment memory, long offset, int to, int chunk) {
        MemorySegment.copy(
                memory, offset, window.memory(to), window.offset(to) + headroom, size(chunk));
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
        if (!wanted || (blank && !features.checksum()) || (length > room && !features.scatter())) {
            return DropReason.UNWANTED;
        }
        return filter.admits(destination()) ? null : DropReason.FILTER;
    }

    /// A guest that changes it in its page deceives itself alone.
    private long destination() {
        return direct == 0
                ? EthernetAddress.read(rest, 0)
                : EthernetAddress.read(window.memory(0), window.offset(0) + headroom);
    }
}
