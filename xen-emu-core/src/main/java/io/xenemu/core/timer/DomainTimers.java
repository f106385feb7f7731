package io.xenemu.core.timer;

import com.google.common.util.concurrent.Futures;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Runs those of a domain's timers that KVM does not run: periodic ones (VCPUOP_set_periodic_timer), and one-shot
/// ones whose events KVM cannot raise. Its thread starts with the first timer: by default Linux sets none.
public final class DomainTimers implements AutoCloseable {
    private final String name;
    private final Consumer<Throwable> failed;

    @GuardedBy("this")
    private @Nullable ScheduledThreadPoolExecutor executor;

    @GuardedBy("this")
    private boolean closed;

    /// @param domain prefix of the thread's name
    /// @param failed receives an exception of a tick, on the timers' thread; that timer has ended
    public DomainTimers(String domain, Consumer<Throwable> failed) {
        name = domain + "-timers";
        this.failed = failed;
    }

    /// Runs `tick` every `nanos`. A guest that falls behind gets no ticks in a burst: events on one port coalesce.
    ///
    /// @return cancels it; null if the domain is ending
    public synchronized @Nullable Future<?> start(long nanos, Runnable tick) {
        ScheduledThreadPoolExecutor current = executor();
        return current == null
                ? null
                : current.scheduleAtFixedRate(() -> run(tick), nanos, nanos, TimeUnit.NANOSECONDS);
    }

    /// Runs `task` after `nanos`, once; at once if that is 0 or less.
    ///
    /// @return cancels it; null if the domain is ending
    synchronized @Nullable Future<?> startOnce(long nanos, Runnable task) {
        ScheduledThreadPoolExecutor current = executor();
        return current == null
                ? null
                : current.schedule(() -> run(task), nanos, TimeUnit.NANOSECONDS);
    }

    /// Waits for a tick in progress. The caller has cancelled later ones.
    public void awaitTick() {
        Future<?> after;
        synchronized (this) {
            if (executor == null || closed) {
                return;
            }
            after = executor.submit(() -> {});
        }
        Futures.getUnchecked(after);
    }

    @GuardedBy("this")
    private @Nullable ScheduledThreadPoolExecutor executor() {
        if (closed) {
            return null;
        }
        ScheduledThreadPoolExecutor current = executor;
        if (current == null) {
            current =
                    new ScheduledThreadPoolExecutor(
                            1, Thread.ofPlatform().name(name).daemon().factory());
            current.setRemoveOnCancelPolicy(true);
            current.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
            executor = current;
        }
        return current;
    }

    /// Reports a failure, since the executor would end the timer silently.
    private void run(Runnable tick) {
        try {
            tick.run();
        } catch (RuntimeException | Error e) {
            failed.accept(e);
            throw e;
        }
    }

    /// Ends all timers, and waits for a tick in progress, because the memory that it uses is about to be freed.
    @Override
    public void close() {
        ScheduledThreadPoolExecutor last;
        synchronized (this) {
            closed = true;
            last = executor;
        }
        // Called without the lock: a tick in progress may be about to start the next one.
        if (last != null) {
            last.close();
        }
    }
}
