package io.xenemu.gnttab;

import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// Tells when a domain is gone and nothing that it granted is in use any more, once.
final class Lifetime {
    /// One for the domain itself, and one for each use of an entry, from before it is looked at.
    private final AtomicInteger references = new AtomicInteger(1);

    private volatile @Nullable Runnable released;

    /// Whether the domain's memory may still be used; if so, [#release] must follow.
    boolean acquire() {
        for (int seen = references.get(); seen != 0; seen = references.get()) {
            if (references.compareAndSet(seen, seen + 1)) {
                return true;
            }
        }
        return false;
    }

    void release() {
        if (references.decrementAndGet() == 0) {
            Objects.requireNonNull(released).run();
        }
    }

    /// The domain is gone; for one call.
    ///
    /// @param action runs as soon as nothing is in use, perhaps now
    void end(Runnable action) {
        released = action;
        release();
    }
}
