package io.xenemu.core.backend.engine;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// Whether the work of an [EngineQueue] runs or may begin to run, and on which engine: one word, changed in single
/// steps. Any thread; the queue's lock orders those that stop, open and move it.
final class RunState {
    /// A run is in progress.
    private static final long RUNNING = 1;

    /// No run may begin for now.
    private static final long STOPPED = 2;

    /// No run begins any more.
    private static final long CLOSED = 4;

    /// The bits from here on count the engines that the queue has been on: its epoch.
    private static final int EPOCH_SHIFT = 3;

    /// Flags and epoch.
    private final AtomicLong word = new AtomicLong();

    /// The thread that waits for the end of a run, or null.
    private volatile @Nullable Thread waiter;

    /// The thread of the run in progress, or null.
    private volatile @Nullable Thread runner;

    /// Begins a run on this thread.
    ///
    /// @param epoch of the engine that wants it
    /// @return false if none may begin, or the queue is not on that engine any more
    boolean enter(long epoch) {
        long open = epoch << EPOCH_SHIFT;
        if (!word.compareAndSet(open, open | RUNNING)) {
            return false;
        }
        runner = Thread.currentThread();
        return true;
    }

    /// Ends the run in progress.
    ///
    /// @return whether something waits for that
    boolean leave() {
        runner = null;
        long before = word.getAndUpdate(flags -> flags & ~RUNNING);
        if ((before & (STOPPED | CLOSED)) == 0) {
            return false;
        }
        LockSupport.unpark(waiter);
        return true;
    }

    /// Whether the caller is the run in progress.
    boolean isWithin() {
        return Thread.currentThread().equals(runner);
    }

    boolean isRunning() {
        return (word.get() & RUNNING) != 0;
    }

    /// Whether no run may begin for now, or ever.
    boolean isStopped() {
        return (word.get() & (STOPPED | CLOSED)) != 0;
    }

    /// Lets no run begin for now.
    void stop() {
        long _ = word.getAndUpdate(flags -> flags | STOPPED);
    }

    /// Lets runs begin again.
    void open() {
        long _ = word.getAndUpdate(flags -> flags & ~STOPPED);
    }

    /// Lets no run begin any more.
    void close() {
        long _ = word.getAndUpdate(flags -> flags | CLOSED);
    }

    /// Changes the engine. No run is in progress, and none may begin.
    void move(long epoch) {
        long _ = word.getAndUpdate(flags -> (epoch << EPOCH_SHIFT) | (flags & (STOPPED | CLOSED)));
    }

    /// Waits until no run is in progress. One thread at a time.
    ///
    /// @return false if one still is after `nanos`
    boolean awaitEnd(long nanos) {
        waiter = Thread.currentThread();
        boolean interrupted = false;
        long deadline = System.nanoTime() + nanos;
        long left = nanos;
        while (isRunning() && left > 0) {
            LockSupport.parkNanos(this, left);
            interrupted |= Thread.interrupted();
            left = deadline - System.nanoTime();
        }
        waiter = null;
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return !isRunning();
    }
}
