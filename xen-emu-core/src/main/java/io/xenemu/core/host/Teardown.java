package io.xenemu.core.host;

import java.util.ArrayDeque;
import java.util.Deque;

/// Steps that end something, run in the reverse order of their addition. Each step runs even if others fail, so that
/// one failure does not keep memory, descriptors or threads of the rest. Not thread-safe.
public final class Teardown implements AutoCloseable {
    private final Deque<Runnable> steps = new ArrayDeque<>();

    /// A teardown without steps yet.
    public Teardown() {}

    /// Adds a step, which runs before those added earlier.
    public void add(Runnable step) {
        steps.push(step);
    }

    /// Runs the steps, after `failure` left something half made. Their exceptions are suppressed in it.
    public void closeAfter(Throwable failure) {
        try {
            close();
        } catch (RuntimeException | Error e) {
            failure.addSuppressed(e);
        }
    }

    /// Runs every step, once. Throws the first exception, with later ones suppressed in it.
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
