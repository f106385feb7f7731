package io.xenemu.core.backend.block;

import org.jspecify.annotations.Nullable;

/// The write barrier that a queue has taken and not answered. It waits for the requests before it, and those after it
/// wait in the ring. Guarded by the monitor of its [RequestRing].
final class PendingBarrier {
    private @Nullable BlockRequest barrier;

    /// Whether it waits for those before it, and is not being carried out yet.
    private boolean waits;

    /// Whether there is one: nothing is taken meanwhile.
    boolean isPresent() {
        return barrier != null;
    }

    /// Takes a barrier; there is none yet.
    ///
    /// @param inFlight requests in flight, with this one
    /// @return whether it has to wait for others
    boolean begin(BlockRequest request, int inFlight) {
        barrier = request;
        waits = inFlight > 1;
        return waits;
    }

    /// A request has ended, which may be the barrier.
    ///
    /// @param inFlight requests in flight, without that one
    /// @return the barrier if it can be carried out now, or null
    @Nullable BlockRequest ended(BlockRequest request, int inFlight) {
        if (barrier == request) {
            barrier = null;
            return null;
        }
        if (waits && inFlight == 1) {
            waits = false;
            return barrier;
        }
        return null;
    }
}
