package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The thread behind a domain's periodic timers (VCPUOP_set_periodic_timer), which is started with the first: Linux has
/// none.
final class PeriodicTimers implements AutoCloseable {
    private final String name;
    private final Consumer<Throwable> failed;

    @GuardedBy("this")
    private @Nullable ScheduledThreadPoolExecutor executor;

    @GuardedBy("this")
    private boolean closed;

    /// @param domain prefix of the thread's name
    /// @param failed told what a tick has thrown, on the timers' thread; that timer has ended
    PeriodicTimers(String domain, Consumer<Throwable> failed) {
        name = domain + "-timers";
        this.failed = failed;
    }

    /// Runs `tick` every `nanos`. A guest that falls behind gets no ticks in a burst: events on one port coalesce.
    ///
    /// @return cancels it; null when the domain is at its end
    synchronized @Nullable Future<?> start(long nanos, Runnable tick) {
        if (closed) {
            return null;
        }
        ScheduledThreadPoolExecutor current = executor;
        if (current == null) {
            current =
                    new ScheduledThreadPoolExecutor(
                            1, Thread.ofPlatform().name(name).daemon().factory());
            current.setRemoveOnCancelPolicy(true);
            executor = current;
        }
        return current.scheduleAtFixedRate(() -> run(tick), nanos, nanos, TimeUnit.NANOSECONDS);
    }

    /// The executor alone would end the timer and tell nobody.
    private void run(Runnable tick) {
        try {
            tick.run();
        } catch (RuntimeException | Error e) {
            failed.accept(e);
            throw e;
        }
    }

    /// Ends all timers, and waits for a tick that is under way: what it touches is about to go.
    @Override
    public synchronized void close() {
        closed = true;
        if (executor != null) {
            executor.close();
        }
    }
}
