package io.xenemu.core.domain;

/// How often a guest can make a thread of the service run by events alone: [#BURST] times at once, and then once every
/// [#INTERVAL_NANOS]. So a flood costs another CPU one or two percent of its time, whatever the guest sends (XSA-332). No event is
/// lost: what comes during a pause is served once after it.
///
/// xenconsoled allows as large a burst in 200 ms, and serves nothing until those are over. That would hold up a guest that
/// prints much: it waits whenever its ring of 2 KiB is full. At one ring full in a millisecond it does not notice.
///
/// For one thread.
final class EventRate {
    /// xenconsoled's `RATE_LIMIT_ALLOWANCE`.
    static final int BURST = 30;

    /// A run takes about 10 microseconds with the switches to the thread and back.
    static final long INTERVAL_NANOS = 1_000_000;

    private static final long BURST_NANOS = BURST * INTERVAL_NANOS;

    /// When all runs so far would have been over, had each taken [#INTERVAL_NANOS].
    private long paidUntil;

    /// @param now in `System.nanoTime()`
    EventRate(long now) {
        paidUntil = now;
    }

    /// Accounts for a run.
    ///
    /// @param now in `System.nanoTime()`
    /// @return ns until the next run may begin; 0 for at once
    long ran(long now) {
        if (paidUntil - now < 0) {
            paidUntil = now;
        }
        paidUntil += INTERVAL_NANOS;
        return Math.max(0, paidUntil - now - BURST_NANOS + INTERVAL_NANOS);
    }
}
