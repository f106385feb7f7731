package io.xenemu.core.backend.block;

import org.jspecify.annotations.Nullable;

/// Reads, or writes, that are neighbours on the disk and become one transfer: the first carries the data of the others.
/// Requests are added in the order of the ring and nothing is submitted meanwhile, so the order of the disk stays.
/// Belongs to the thread that takes requests. Nothing allocates.
final class JoinedRequests {
    /// The most data of one transfer: what the guest is answered together.
    private static final int MOST_BYTES = RequestRing.PUBLISHED_TOGETHER;

    private @Nullable BlockRequest first;
    private @Nullable BlockRequest last;

    /// Adds a request whose pages are mapped, if there is none yet or it continues the last one.
    boolean add(BlockRequest request) {
        BlockRequest carrier = first;
        BlockRequest before = last;
        if (carrier == null || before == null) {
            request.gather();
            first = request;
            last = request;
            return true;
        }
        if (!request.continues(before) || !carrier.carry(request, MOST_BYTES)) {
            return false;
        }
        before.follow(request);
        last = request;
        return true;
    }

    /// Removes the first request, with those that follow it; null if there is none.
    @Nullable BlockRequest take() {
        BlockRequest carrier = first;
        first = null;
        last = null;
        return carrier;
    }
}
