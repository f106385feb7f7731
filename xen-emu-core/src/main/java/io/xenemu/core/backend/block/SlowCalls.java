package io.xenemu.core.backend.block;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.concurrent.TimeUnit;

/// Decides whether a flush or discard is done at once, which is the fastest if it is short, or later, so that the
/// engine can serve others meanwhile. After a long one the next ones are later, and one in so many shows whether they
/// have become short. So a guest holds an engine for few of its flushes, whatever it does. Thread-safe.
final class SlowCalls {
    /// What an engine may be held for: a small part of a turn.
    private static final long SHORT_NANOS = TimeUnit.MICROSECONDS.toNanos(100);

    /// Later ones after a long one.
    private static final int LATER = 63;

    @GuardedBy("this")
    private int later;

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
        if (nanos > SHORT_NANOS) {
            later = LATER;
        }
    }
}
