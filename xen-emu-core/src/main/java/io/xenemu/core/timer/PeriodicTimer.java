package io.xenemu.core.timer;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/// A vCPU's periodic timer; user space runs it, since KVM has none. Thread-safe: as on Xen, a vCPU may set and stop
/// other vCPUs' timers; Linux and FreeBSD do so for every vCPU from one vCPU.
public final class PeriodicTimer {
    private final DomainTimers timers;
    private final Runnable tick;

    @GuardedBy("this")
    private long period;

    @GuardedBy("this")
    private @Nullable Future<?> running;

    /// @param tick called each time, on the timers' thread
    public PeriodicTimer(DomainTimers timers, Runnable tick) {
        this.timers = timers;
        this.tick = tick;
    }

    /// Starts the timer, instead of an earlier period.
    ///
    /// @param nanos the period; not 0
    public synchronized void set(long nanos) {
        long _ = stop();
        period = nanos;
        running = timers.start(nanos, tick);
    }

    /// Its period in ns; 0 if it is not running.
    synchronized long period() {
        return period;
    }

    /// Stops it.
    ///
    /// @return its period in ns; 0 if it was not running
    public synchronized long stop() {
        long last = period;
        Future<?> current = running;
        if (current != null) {
            current.cancel(false);
        }
        running = null;
        period = 0;
        return last;
    }
}
