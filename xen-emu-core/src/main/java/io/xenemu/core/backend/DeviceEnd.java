package io.xenemu.core.backend;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;

/// The end of a served device, for those who wait for it. Thread-safe.
final class DeviceEnd {
    /// The deadline; 0 before [#begin].
    private final AtomicLong by = new AtomicLong();

    private final CompletableFuture<Void> reached = new CompletableFuture<>();

    /// Notes that the device is to end.
    ///
    /// @param deadline in `System.nanoTime()`, for whoever waits; a second call keeps that of the first
    /// @return false if it has been noted before
    boolean begin(long deadline) {
        return by.compareAndSet(0, deadline);
    }

    /// The device is gone.
    void reached() {
        reached.complete(null);
    }

    /// Waits until the device is gone, up to the deadline.
    ///
    /// @return false if it is not
    boolean await() throws InterruptedException {
        return await(Duration.ofNanos(Math.max(0, by.get() - System.nanoTime())));
    }

    /// Waits until the device is gone.
    ///
    /// @return false if it is not after `limit`
    boolean await(Duration limit) throws InterruptedException {
        try {
            reached.get(limit.toNanos(), TimeUnit.NANOSECONDS);
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }
}
