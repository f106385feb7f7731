package io.xenemu.core.domain;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/// The reason for which a domain stopped: the first caller decides, later ones change nothing, as in Xen.
public final class ShutdownLatch {
    /// A reason with the line that explains it to an operator; the line may be empty.
    public record Outcome(ShutdownReason reason, String message) {}

    private final AtomicReference<@Nullable Outcome> outcome = new AtomicReference<>();
    private final CountDownLatch set = new CountDownLatch(1);
    private volatile @Nullable Runnable listener;

    /// Sets the reason unless there is one.
    ///
    /// @return true for the caller that decided
    public boolean set(ShutdownReason reason, String message) {
        if (!outcome.compareAndSet(null, new Outcome(reason, message))) {
            return false;
        }
        set.countDown();
        tellListener();
        return true;
    }

    /// Calls `listener` when there is a reason; at once if there is one already. There is one listener at a time. It
    /// may be called twice, by any thread and with that thread's locks held, so it must not wait.
    public void onSet(Runnable listener) {
        this.listener = listener;
        if (outcome.get() != null) {
            listener.run();
        }
    }

    private void tellListener() {
        Runnable current = listener;
        if (current != null) {
            current.run();
        }
    }

    /// The reason, or null while the domain runs.
    public @Nullable Outcome get() {
        return outcome.get();
    }

    /// Waits for the reason.
    ///
    /// @param millis the longest wait
    /// @return the reason, or null when the time ran out
    public @Nullable Outcome await(long millis) throws InterruptedException {
        set.await(millis, TimeUnit.MILLISECONDS);
        return outcome.get();
    }
}
