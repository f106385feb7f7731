package io.xenemu.core.backend.engine;

import java.util.concurrent.atomic.AtomicLong;

/// Counts the work of an [Engine]. The engine's thread writes, any thread reads.
final class EngineUse {
    private final AtomicLong busyNanos = new AtomicLong();
    private final AtomicLong runs = new AtomicLong();
    private final AtomicLong wakeUps = new AtomicLong();

    /// When the run in progress has begun, in `System.nanoTime()`; 0 if there is none.
    private final AtomicLong begun = new AtomicLong();

    /// A run begins.
    ///
    /// @param now in `System.nanoTime()`
    void begin(long now) {
        begun.setRelease(now);
    }

    /// The run in progress ends.
    ///
    /// @param now in `System.nanoTime()`
    void end(long now) {
        busyNanos.setRelease(busyNanos.getPlain() + now - begun.getPlain());
        begun.setRelease(0);
        runs.setRelease(runs.getPlain() + 1);
    }

    /// The run in progress has failed, if there is one: it does not count.
    void failed() {
        begun.setRelease(0);
    }

    /// The thread has been woken, or has looked for signals between runs.
    void woken() {
        wakeUps.setRelease(wakeUps.getPlain() + 1);
    }

    /// The time in runs, with the one in progress, in nanoseconds.
    long busyNanos() {
        long since = begun.get();
        long now = since == 0 ? 0 : Math.max(0, System.nanoTime() - since);
        return busyNanos.get() + now;
    }

    /// The number of runs that have ended.
    long runs() {
        return runs.get();
    }

    /// How often the thread has been woken, or has looked for signals between runs.
    long wakeUps() {
        return wakeUps.get();
    }
}
