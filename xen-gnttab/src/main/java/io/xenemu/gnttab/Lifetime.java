package io.xenemu.gnttab;

import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// Reports, once, that a domain is gone and none of its grants is in use any more. Grants in use when the domain ends
/// stay in use; none comes into use afterwards.
final class Lifetime {
    private static final int ENDED = Integer.MIN_VALUE;

    /// One reference for the domain itself, and one for each use of an entry, taken before the entry is read.
    /// [#ENDED] is added when the domain ends.
    private final AtomicInteger references = new AtomicInteger(1);

    private volatile @Nullable Runnable released;

    /// Takes a reference to the domain's memory. If true, call [#release] later.
    boolean acquire() {
        return acquire(1);
    }

    /// Takes several references.
    boolean acquire(int count) {
        for (int seen = references.get(); seen > 0; seen = references.get()) {
            if (references.compareAndSet(seen, seen + count)) {
                return true;
            }
        }
        return false;
    }

    void release() {
        release(1);
    }

    /// Gives references back, 0 or more.
    void release(int count) {
        if (count > 0 && references.addAndGet(-count) == ENDED) {
            Objects.requireNonNull(released).run();
        }
    }

    /// Ends the domain; called once. The domain's own [#release] follows.
    ///
    /// @param action runs as soon as no grant is in use
    void end(Runnable action) {
        released = action;
        references.addAndGet(ENDED);
    }

    /// The number of references taken and not released, of a domain that is not gone.
    int taken() {
        return references.get() - 1;
    }

    /// Whether the domain is gone.
    boolean isEnded() {
        return references.get() < 0;
    }

    /// Whether a grant is in use. Called before the domain's own [#release].
    boolean isInUse() {
        return (references.get() & ~ENDED) > 1;
    }
}
