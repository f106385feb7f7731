package io.xenemu.core.backend.block;

import java.lang.foreign.SegmentAllocator;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/// The requests of a queue: those in use, and those to be used again. Guarded by the monitor of its [RequestRing].
final class RequestPool {
    /// The segments of an ordinary request: Linux's own limit of indirect ones.
    private static final int ORDINARY_SEGMENTS = 32;

    private final SegmentAllocator allocator;
    private final BlockRequest.DiskTransferOf completion;
    private final ArrayDeque<BlockRequest> ordinary = new ArrayDeque<>();
    private final ArrayDeque<BlockRequest> large = new ArrayDeque<>();
    private final List<BlockRequest> all = new ArrayList<>();

    /// The number of requests that were ever taken.
    private long taken;

    /// @param allocator has the requests' memory
    /// @param completion called after each transfer of a request
    RequestPool(SegmentAllocator allocator, BlockRequest.DiskTransferOf completion) {
        this.allocator = allocator;
        this.completion = completion;
    }

    /// Takes a request, or makes one.
    ///
    /// @param segments that it is to have room for, up to [SlotReader#MAX_INDIRECT_SEGMENTS]
    BlockRequest take(int segments) {
        boolean isOrdinary = segments <= ORDINARY_SEGMENTS;
        BlockRequest request = (isOrdinary ? ordinary : large).poll();
        if (request == null) {
            request = make(isOrdinary);
        }
        taken++;
        request.place(taken);
        return request;
    }

    private BlockRequest make(boolean isOrdinary) {
        BlockRequest made =
                new BlockRequest(
                        allocator,
                        isOrdinary ? ORDINARY_SEGMENTS : SlotReader.MAX_INDIRECT_SEGMENTS,
                        completion);
        all.add(made);
        return made;
    }

    /// Those in use, in the order in which they were taken.
    List<BlockRequest> inUse() {
        return all.stream()
                .filter(request -> request.place() != 0)
                .sorted(Comparator.comparingLong(BlockRequest::place))
                .toList();
    }

    /// Gives a request back.
    void give(BlockRequest request) {
        request.place(0);
        (request.capacity() == ORDINARY_SEGMENTS ? ordinary : large).push(request);
    }
}
