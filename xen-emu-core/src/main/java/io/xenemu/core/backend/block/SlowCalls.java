package io.xenemu.core.backend.block;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.concurrent.TimeUnit;

/// Decides whether a flush or discard is done at once, which is the fastest if it is short, or later, so that the
/// engine can serve others meanwhile. When they are long on the average, the next ones are later, and one in so many
/// shows whether they have become short. So a guest holds an engine for few of its flushes, whatever it does.
///
/// One that is long because the engine lost its CPU does not count for much. Thread-safe.
final class SlowCalls {
    /// What an engine may be held for: a small part of a turn.
    private static final long SHORT_NANOS = TimeUnit.MICROSECONDS.toNanos(100);

    /// What one counts at most.
    private static final long MOST_NANOS = 4 * SHORT_NANOS;

    /// The share of one in the mean.
    private static final int SHARE = 8;

    /// Later ones after long ones.
    private static final int LATER = 63;

    @GuardedBy("this")
    private int later;

    /// Whether the next one that is done at once follows later ones.
    @GuardedBy("this")
    private boolean probes;

    @GuardedBy("this")
    private long meanNanos;

    /// Whether the next one is to be done later.
    synchronized boolean isNextLater() {
        if (later == 0) {
            return false;
        }
        later--;
        return true;
    }

    /// One was done at once.
    synchronized void took(long nanos) {
        long counted = Math.min(nanos, MOST_NANOS);
        meanNanos = probes ? counted : meanNanos + (counted - meanNanos) / SHARE;
        probes = meanNanos > SHORT_NANOS;
        if (probes) {
            later = LATER;
        }
    }
}
