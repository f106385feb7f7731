package io.xenemu.core.backend.block;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// The ends of transfers that come while the state of their queue is taken: neither the ring nor a grant may change
/// then, and so they wait. Thread-safe; the monitor is a leaf.
final class LateEnds {
    /// A transfer of a request that has ended.
    record End(BlockRequest request, int errno) {}

    @GuardedBy("this")
    private final List<End> kept = new ArrayList<>();

    @GuardedBy("this")
    private boolean keeping;

    /// Ends that are being handled.
    @GuardedBy("this")
    private int running;

    /// Begins to handle an end, or keeps it.
    ///
    /// @return false if it was kept; otherwise [#end] follows
    synchronized boolean begin(BlockRequest request, int errno) {
        if (keeping) {
            kept.add(new End(request, errno));
            return false;
        }
        running++;
        return true;
    }

    /// An end is handled.
    synchronized void end() {
        running--;
        if (keeping && running == 0) {
            notifyAll();
        }
    }

    /// Keeps ends from now on, and waits for those that are being handled.
    ///
    /// @return false if one still is after `limit`
    synchronized boolean keep(Duration limit) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        keeping = true;
        while (running > 0) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                return false;
            }
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
        return true;
    }

    /// Keeps none any more, and gives those that were kept.
    synchronized List<End> take() {
        keeping = false;
        List<End> ends = List.copyOf(kept);
        kept.clear();
        return ends;
    }
}
