package io.xenemu.core.backend.net;

/// Limits what a guest may send: a number of bytes for each interval, as xl's `rate=`. A frame may take more than is
/// left; then the guest waits until the debt is paid, so that the limit holds over several intervals. Credit of the
/// last [#KEPT_MICROS] is kept: a thread that comes late costs the guest nothing of its rate. One thread uses it.
final class TxCredit {
    private static final long NANOS_PER_MICRO = 1000;

    /// Idle intervals after which no debt is left, since a frame has less than 64 KiB. With more a product could
    /// overflow.
    private static final long ALL_PAID = 0xffff;

    /// The time for which unused credit is kept, if that is more than an interval. A thread of a busy machine comes
    /// some tens of milliseconds late. Linux keeps 128 KiB instead, which is minutes of a low rate.
    private static final long KEPT_MICROS = 200_000;

    private final Rate rate;

    /// Bytes of credit that an idle guest has.
    private final long most;

    private long left;
    private long refill;

    /// @param bytes for each interval
    /// @param micros length of an interval; 0 for no limit
    record Rate(long bytes, long micros) {
        static final Rate UNLIMITED = new Rate(0, 0);

        boolean isLimited() {
            return micros != 0;
        }
    }

    /// @param now in nanoseconds, as [System#nanoTime]
    TxCredit(Rate rate, long now) {
        this.rate = rate;
        this.left = rate.bytes;
        this.most = rate.isLimited() ? rate.bytes * Math.max(1, KEPT_MICROS / rate.micros) : 0;
        this.refill = now + rate.micros * NANOS_PER_MICRO;
    }

    /// The time until the guest may send again, in nanoseconds; 0 if it may now.
    long delay(long now) {
        if (!rate.isLimited()) {
            return 0;
        }
        long interval = rate.micros * NANOS_PER_MICRO;
        if (now - refill >= 0) {
            long intervals = (now - refill) / interval + 1;
            refill += intervals * interval;
            // What an idle guest has not used before is lost.
            left = intervals > ALL_PAID ? most : Math.min(most, left + intervals * rate.bytes);
        }
        if (left > 0) {
            return 0;
        }
        long missing = -left / rate.bytes;
        return refill - now + missing * interval;
    }

    /// Takes the bytes of a frame that is sent.
    void use(int bytes) {
        if (rate.isLimited()) {
            left -= bytes;
        }
    }
}
