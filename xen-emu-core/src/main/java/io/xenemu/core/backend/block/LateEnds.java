package io.xenemu.core.backend.block;

import java.util.ArrayList;
import java.util.List;

/// The ends of transfers that come while the state of their queue is taken: neither the ring nor a grant may change
/// then, and so they wait. Guarded by the queue's monitor.
final class LateEnds {
    /// A transfer of a request that has ended.
    record End(BlockRequest request, int errno) {}

    private final List<End> kept = new ArrayList<>();
    private boolean keeping;

    /// Ends that are being handled.
    private int running;

    /// Begins to handle an end, or keeps it.
    ///
    /// @return false if it was kept; otherwise [#end] follows
    boolean begin(BlockRequest request, int errno) {
        if (keeping) {
            kept.add(new End(request, errno));
            return false;
        }
        running++;
        return true;
    }

    /// An end is handled.
    ///
    /// @return whether somebody may wait for that
    boolean end() {
        running--;
        return keeping && running == 0;
    }

    /// Keeps ends from now on.
    void keep() {
        keeping = true;
    }

    /// Whether no end is being handled.
    boolean isQuiet() {
        return running == 0;
    }

    /// Keeps none any more, and gives those that were kept.
    List<End> take() {
        keeping = false;
        List<End> ends = List.copyOf(kept);
        kept.clear();
        return ends;
    }
}
