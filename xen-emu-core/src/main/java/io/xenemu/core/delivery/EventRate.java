package io.xenemu.core.delivery;

/// Limits how often a guest's events make a thread of the service run: [#BURST] times at once, and then once every
/// [#INTERVAL_NANOS]. So a flood costs another CPU one or two percent of its time, whatever the guest sends
/// (XSA-332). No event is lost: those that arrive during a pause are served once after it.
///
/// xenconsoled allows an equal burst in 200 ms, and serves nothing until those are over. That would delay a guest
/// that prints much: it waits whenever its ring of 2 KiB is full. With one full ring per millisecond it notices no
/// delay.
///
/// Not thread-safe.
public final class EventRate {
    /// xenconsoled's `RATE_LIMIT_ALLOWANCE`.
    static final int BURST = 30;

    /// A run takes about 10 microseconds, including the switches to the thread and back.
    static final long INTERVAL_NANOS = 1_000_000;

    private static final long BURST_NANOS = BURST * INTERVAL_NANOS;

    /// The time at which all runs so far would have ended, had each taken [#INTERVAL_NANOS].
    private long paidUntil;

    /// @param now in `System.nanoTime()`
    public EventRate(long now) {
        paidUntil = now;
    }

    /// Counts a run.
    ///
    /// @param now in `System.nanoTime()`
    /// @return ns until the next run may begin; 0 for at once
    public long ran(long now) {
        if (paidUntil - now < 0) {
            paidUntil = now;
        }
        paidUntil += INTERVAL_NANOS;
        return Math.max(0, paidUntil - now - BURST_NANOS + INTERVAL_NANOS);
    }
}
