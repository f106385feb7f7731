package io.xenemu.core.backend.block;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.IoVectors;
import java.lang.foreign.SegmentAllocator;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// The flush of a disk before its state is saved. One at a time.
final class StoreFlush {
    private final DiskTransfer transfer;

    @GuardedBy("this")
    private boolean running;

    @GuardedBy("this")
    private int errno;

    /// @param allocator has memory that lasts until [#await] has said that nothing runs
    StoreFlush(SegmentAllocator allocator) {
        transfer = new DiskTransfer(new IoVectors(allocator, 1), (_, result) -> ended(result));
        transfer.set(DiskOp.FLUSH, 0, 0);
    }

    private synchronized void ended(int result) {
        running = false;
        errno = result;
        notifyAll();
    }

    /// Flushes a store, if that can be.
    ///
    /// @return the reason for which that is not done, as it follows the device's name
    Optional<String> run(DiskStore store, Duration limit) throws InterruptedException {
        if (!store.features().flush()) {
            return Optional.empty();
        }
        if (!await(Duration.ZERO)) {
            return late();
        }
        synchronized (this) {
            running = true;
        }
        store.submit(transfer);
        if (!await(limit)) {
            return late();
        }
        synchronized (this) {
            return errno == 0
                    ? Optional.empty()
                    : Optional.of("cannot be flushed: " + Errno.name(errno));
        }
    }

    private static Optional<String> late() {
        return Optional.of("takes too long to be flushed");
    }

    /// Waits until no flush runs.
    ///
    /// @return false if one still runs after `limit`
    synchronized boolean await(Duration limit) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        while (running) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                return false;
            }
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
        return true;
    }
}
