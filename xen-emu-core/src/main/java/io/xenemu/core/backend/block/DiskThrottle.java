package io.xenemu.core.backend.block;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.toolstack.DiskRates;

/// Limits the requests and bytes of a disk in a second, for all its queues together. After a second without requests
/// the guest may do a second's worth at once. A request is let in when those before it are paid for, whatever its own
/// size; so the largest of a disk with a low limit is slow, and not impossible.
///
/// Each limit keeps the time at which everything let in is paid for (the "generic cell rate algorithm" of ATM).
/// Thread-safe.
final class DiskThrottle {
    private static final long SECOND_NANOS = 1_000_000_000;

    /// How much of the past may be used up at once.
    private static final long BURST_NANOS = SECOND_NANOS;

    private final DiskRates rates;

    @GuardedBy("this")
    private long requestsPaid;

    @GuardedBy("this")
    private long bytesPaid;

    /// @param now a time of `System.nanoTime`, as for the other methods
    DiskThrottle(DiskRates rates, long now) {
        this.rates = rates;
        this.requestsPaid = now - BURST_NANOS;
        this.bytesPaid = now - BURST_NANOS;
    }

    /// Whether there is a limit; else the other methods need not be called.
    boolean isLimited() {
        return rates.isLimited();
    }

    /// The nanoseconds until the next request can be let in; 0 or less for now.
    synchronized long pause(long now) {
        return Math.max(requestsPaid - now, bytesPaid - now);
    }

    /// A request is let in.
    ///
    /// @param bytes read or written
    synchronized void letIn(long bytes, long now) {
        requestsPaid = paid(requestsPaid, 1, rates.requests(), now);
        bytesPaid = paid(bytesPaid, bytes, rates.bytes(), now);
    }

    private static long paid(long before, long amount, long rate, long now) {
        long earliest = now - BURST_NANOS;
        long from = before - earliest > 0 ? before : earliest;
        return rate == 0 ? earliest : from + amount * SECOND_NANOS / rate;
    }
}
