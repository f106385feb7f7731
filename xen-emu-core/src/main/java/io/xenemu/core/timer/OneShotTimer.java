package io.xenemu.core.timer;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.concurrent.Future;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// A vCPU's one-shot timer in user space, in ns of the guest's system time as KVM's own timers are.
public final class OneShotTimer {
    private final DomainTimers timers;
    private final LongSupplier clock;
    private final Runnable expired;

    @GuardedBy("this")
    private long deadline;

    @GuardedBy("this")
    private @Nullable Future<?> waiting;

    /// @param clock the guest's system time now
    /// @param expired called at the deadline, on the timers' thread
    OneShotTimer(DomainTimers timers, LongSupplier clock, Runnable expired) {
        this.timers = timers;
        this.clock = clock;
        this.expired = expired;
    }

    /// Starts the timer, instead of an earlier deadline.
    ///
    /// @param nanos of system time, absolute; 0 for no time
    synchronized void set(long nanos) {
        Future<?> old = waiting;
        if (old != null) {
            old.cancel(false);
            waiting = null;
        }
        deadline = nanos;
        if (nanos != 0) {
            start();
        }
    }

    /// Its deadline; 0 if it has expired or was not set.
    synchronized long deadline() {
        return deadline;
    }

    /// Stops it.
    ///
    /// @return its deadline; 0 if it has expired or was not set
    synchronized long stop() {
        long left = deadline;
        set(0);
        return left;
    }

    @GuardedBy("this")
    private void start() {
        long from = deadline;
        long now = clock.getAsLong();
        waiting = timers.startOnce(from <= now ? 0 : from - now, () -> look(from));
    }

    /// Checks whether the deadline has come. The guest's clock runs at its own rate, so this may be early.
    ///
    /// @param from the deadline when the wait began
    private void look(long from) {
        synchronized (this) {
            if (deadline != from) {
                return;
            }
            if (clock.getAsLong() < from) {
                start();
                return;
            }
            deadline = 0;
            waiting = null;
        }
        expired.run();
    }
}
