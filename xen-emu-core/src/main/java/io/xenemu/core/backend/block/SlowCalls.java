package io.xenemu.core.backend.block;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.concurrent.TimeUnit;

/// Decides whether a flush or discard is done at once, which is the fastest if it is short, or later, so that the
/// engine can serve others meanwhile. When more than a quarter of them are long, the next ones are later, and one in so
/// many shows whether they have become short. So a guest holds an engine for few of its flushes, whatever it does.
///
/// A long one weighs the same however long it was: some are long because the engine lost its CPU. Thread-safe.
final class SlowCalls {
    /// What an engine may be held for: a quarter of a turn.
    private static final long SHORT_NANOS = TimeUnit.MICROSECONDS.toNanos(250);

    /// A long one counts as much as so many short ones.
    private static final int LONG = 3;

    /// The count at which the next ones are later.
    private static final int MANY = 4 * LONG;

    /// Later ones after long ones.
    private static final int LATER = 63;

    @GuardedBy("this")
    private int later;

    /// Long ones less short ones, by their weight; from 0 to [#MANY].
    @GuardedBy("this")
    private int count;

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
        count = nanos > SHORT_NANOS ? Math.min(MANY, count + LONG) : Math.max(0, count - 1);
        if (count == MANY) {
            later = LATER;
        }
    }
}
