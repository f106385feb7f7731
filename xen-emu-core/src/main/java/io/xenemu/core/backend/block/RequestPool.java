package io.xenemu.core.backend.block;

import java.lang.foreign.SegmentAllocator;
import java.util.ArrayDeque;

/// The requests of a queue that are not in use, to be used again. Guarded by the queue's monitor.
final class RequestPool {
    /// The segments of an ordinary request: Linux's own limit of indirect ones.
    private static final int ORDINARY_SEGMENTS = 32;

    private final SegmentAllocator allocator;
    private final BlockRequest.DiskTransferOf completion;
    private final ArrayDeque<BlockRequest> ordinary = new ArrayDeque<>();
    private final ArrayDeque<BlockRequest> large = new ArrayDeque<>();

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
        return request != null
                ? request
                : new BlockRequest(
                        allocator,
                        isOrdinary ? ORDINARY_SEGMENTS : SlotReader.MAX_INDIRECT_SEGMENTS,
                        completion);
    }

    /// Gives a request back.
    void give(BlockRequest request) {
        (request.capacity() == ORDINARY_SEGMENTS ? ordinary : large).push(request);
    }
}
