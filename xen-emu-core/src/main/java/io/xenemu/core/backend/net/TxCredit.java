package io.xenemu.core.backend.net;

import com.google.common.base.Splitter;
import com.google.common.primitives.UnsignedInts;
import java.util.List;
import java.util.Optional;

/// Limits what a guest may send: a number of bytes for each interval, as xl's `rate=`. A frame may take more than is
/// left; then the guest waits until the debt is paid, so that the limit holds over several intervals. One thread uses
/// it.
final class TxCredit {
    private static final long NANOS_PER_MICRO = 1000;
    private static final Splitter COMMA = Splitter.on(',');

    private final Rate rate;
    private long left;
    private long refill;

    /// @param bytes for each interval
    /// @param micros length of an interval; 0 for no limit
    record Rate(long bytes, long micros) {
        static final Rate UNLIMITED = new Rate(0, 0);

        /// Parses the node that libxl writes, `BYTES,MICROSECONDS`; empty if it is malformed.
        static Optional<Rate> parse(String node) {
            List<String> parts = COMMA.splitToList(node);
            if (parts.size() != 2) {
                return Optional.empty();
            }
            try {
                long bytes = Integer.toUnsignedLong(UnsignedInts.parseUnsignedInt(parts.get(0)));
                long micros = Integer.toUnsignedLong(UnsignedInts.parseUnsignedInt(parts.get(1)));
                return bytes == 0 ? Optional.empty() : Optional.of(new Rate(bytes, micros));
            } catch (NumberFormatException e) {
                return Optional.empty();
            }
        }

        boolean isLimited() {
            return micros != 0;
        }
    }

    /// @param now in nanoseconds, as [System#nanoTime]
    TxCredit(Rate rate, long now) {
        this.rate = rate;
        this.left = rate.bytes;
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
            // What an idle guest has not used is lost.
            left =
                    intervals > 0xffff
                            ? rate.bytes
                            : Math.min(rate.bytes, left + intervals * rate.bytes);
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
