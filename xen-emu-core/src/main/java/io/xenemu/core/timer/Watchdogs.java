package io.xenemu.core.timer;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.kvm.abi.XenError;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// The watchdogs of a domain (SCHEDOP_watchdog). A guest takes one and sets it again and again. A watchdog that expires
/// ends the domain, unless the domain is suspended. They count the host's time, also while the domain is paused, as on
/// Xen. Any thread may set them.
///
/// Source: xen/common/sched/core.c (`domain_watchdog`).
public final class Watchdogs {
    /// The number of watchdogs of a domain (`NR_DOMAIN_WATCHDOG_TIMERS`). Their ids begin at 1.
    public static final int COUNT = 2;

    private final DomainTimers timers;
    private final Runnable expired;

    @GuardedBy("this")
    private final List<Watchdog> watchdogs = List.of(new Watchdog(), new Watchdog());

    private volatile boolean isDisarmed;

    private static final class Watchdog {
        boolean taken;
        long seconds;
        @Nullable Future<?> running;
    }

    /// The saved state.
    ///
    /// @param seconds the time that the guest has given each watchdog; 0 for one that is free
    public record State(List<Long> seconds) {
        /// All are free.
        public static final State NONE = new State(Collections.nCopies(COUNT, 0L));

        public State {
            seconds = List.copyOf(seconds);
        }
    }

    /// @param expired called when one expires, on the timers' thread
    public Watchdogs(DomainTimers timers, Runnable expired) {
        this.timers = timers;
        this.expired =
                () -> {
                    if (!isDisarmed) {
                        expired.run();
                    }
                };
    }

    /// Keeps every watchdog from expiring, for a domain that does not run: it would not be fed in time.
    public void disarm() {
        isDisarmed = true;
    }

    /// Takes a free watchdog and starts it.
    ///
    /// @param seconds until it expires, unsigned 32 bits; 0 for at once
    /// @return its id
    /// @throws XenError ENOSPC if none is free
    public synchronized int take(long seconds) throws XenError {
        for (int id = 1; id <= COUNT; id++) {
            Watchdog watchdog = watchdogs.get(id - 1);
            if (!watchdog.taken) {
                watchdog.taken = true;
                start(watchdog, seconds);
                return id;
            }
        }
        throw XenError.ENOSPC;
    }

    /// Starts a watchdog again, or gives it back.
    ///
    /// @param id 1 or 2
    /// @param seconds until it expires, unsigned 32 bits; 0 to give it back
    /// @throws XenError EINVAL if it is not taken, or there is no such watchdog
    public synchronized void set(long id, long seconds) throws XenError {
        if (id < 1 || id > COUNT) {
            throw XenError.EINVAL;
        }
        Watchdog watchdog = watchdogs.get((int) id - 1);
        if (!watchdog.taken) {
            throw XenError.EINVAL;
        }
        cancel(watchdog);
        watchdog.taken = seconds != 0;
        if (watchdog.taken) {
            start(watchdog, seconds);
        }
    }

    /// The number that the guest has taken.
    public synchronized long taken() {
        return watchdogs.stream().filter(watchdog -> watchdog.taken).count();
    }

    /// Stops all while the domain is saved, in which the guest cannot set them.
    public synchronized void hold() {
        watchdogs.forEach(Watchdogs::cancel);
    }

    /// Starts those that are taken again. Each has its whole time, so that the guest can set it.
    public synchronized void release() {
        for (Watchdog watchdog : watchdogs) {
            if (watchdog.taken) {
                start(watchdog, watchdog.seconds);
            }
        }
    }

    /// Their state. Xen does not save it; its guests lose their watchdogs.
    public synchronized State save() {
        return new State(
                watchdogs.stream()
                        .map(watchdog -> watchdog.taken ? Math.max(watchdog.seconds, 1) : 0)
                        .toList());
    }

    /// Takes those that were taken, and starts them with their whole time.
    public synchronized void restore(State saved) {
        for (int i = 0; i < COUNT; i++) {
            Watchdog watchdog = watchdogs.get(i);
            watchdog.seconds = saved.seconds().get(i);
            watchdog.taken = watchdog.seconds != 0;
        }
        release();
    }

    private static void cancel(Watchdog watchdog) {
        Future<?> current = watchdog.running;
        if (current != null) {
            current.cancel(false);
        }
    }

    @GuardedBy("this")
    private void start(Watchdog watchdog, long seconds) {
        watchdog.seconds = seconds;
        watchdog.running = timers.startOnce(TimeUnit.SECONDS.toNanos(seconds), expired);
    }
}
