package io.xenemu.core.coredump;

/// The progress of a core dump, and the request to cancel it. The dumping thread never waits for a thread that reads
/// the progress.
public final class DumpProgress {
    private volatile long done;
    private volatile long total;
    private volatile boolean cancelled;

    /// Bytes of memory that have been dealt with.
    public long done() {
        return done;
    }

    /// All bytes of memory; 0 before the dump has begun.
    public long total() {
        return total;
    }

    /// Makes the dump end soon, without a file.
    public void cancel() {
        cancelled = true;
    }

    boolean isCancelled() {
        return cancelled;
    }

    void begin(long bytes) {
        total = bytes;
    }

    /// Called by the dumping thread alone.
    void at(long bytes) {
        done = bytes;
    }
}
