package io.xenemu.gnttab;

import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// Tells when a domain is gone and nothing that it granted is in use any more, once. What is in use when the domain goes stays
/// so; nothing comes into use afterwards.
final class Lifetime {
    private static final int ENDED = Integer.MIN_VALUE;

    /// One for the domain itself, and one for each use of an entry, from before it is looked at; with [#ENDED] once the domain
    /// is gone.
    private final AtomicInteger references = new AtomicInteger(1);

    private volatile @Nullable Runnable released;

    /// Whether the domain's memory may be used; if so, [#release] must follow.
    boolean acquire() {
        for (int seen = references.get(); seen > 0; seen = references.get()) {
            if (references.compareAndSet(seen, seen + 1)) {
                return true;
            }
        }
        return false;
    }

    void release() {
        if (references.decrementAndGet() == ENDED) {
            Objects.requireNonNull(released).run();
        }
    }

    /// The domain is gone; for one call. The domain's own [#release] follows.
    ///
    /// @param action runs as soon as nothing is in use
    void end(Runnable action) {
        released = action;
        references.addAndGet(ENDED);
    }

    /// Whether the domain is gone.
    boolean isEnded() {
        return references.get() < 0;
    }

    /// Whether something is in use besides the domain itself, before its own [#release].
    boolean isInUse() {
        return (references.get() & ~ENDED) > 1;
    }
}
