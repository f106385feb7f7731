package io.xenemu.core.domain;

import java.util.ArrayDeque;
import java.util.Deque;

/// Steps that end something, in the reverse of the order in which they were added. Each is taken even when others fail: what
/// one of them throws must not keep memory, descriptors or threads of the rest. Not for use by two threads at once.
public final class Teardown implements AutoCloseable {
    private final Deque<Runnable> steps = new ArrayDeque<>();

    /// Nothing to end yet.
    public Teardown() {}

    /// Adds a step, to be taken before those that are there.
    public void add(Runnable step) {
        steps.push(step);
    }

    /// As [#close], because `failure` left something half made; what the steps throw is suppressed in it.
    void closeAfter(Throwable failure) {
        try {
            close();
        } catch (RuntimeException | Error e) {
            failure.addSuppressed(e);
        }
    }

    /// Takes every step, once. Throws what the first failing one threw, with what later ones threw suppressed in it.
    @Override
    public void close() {
        Throwable failure = null;
        for (Runnable step = steps.poll(); step != null; step = steps.poll()) {
            try {
                step.run();
            } catch (RuntimeException | Error e) {
                if (failure == null) {
                    failure = e;
                } else if (!failure.equals(e)) {
                    failure.addSuppressed(e);
                }
            }
        }
        switch (failure) {
            case null -> {}
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new IllegalStateException(failure);
        }
    }
}
