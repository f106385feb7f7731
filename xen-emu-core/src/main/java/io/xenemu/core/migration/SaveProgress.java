package io.xenemu.core.migration;

/// The progress of a save or restore, and the request to cancel it. The thread that works never waits for a thread
/// that reads the progress.
public final class SaveProgress {
    private volatile long done;
    private volatile long total;
    private volatile boolean cancelled;

    /// Pages of RAM that have been dealt with.
    public long done() {
        return done;
    }

    /// All pages of RAM; 0 before they have begun.
    public long total() {
        return total;
    }

    /// Makes the work end soon, with [SaveCancelledException].
    public void cancel() {
        cancelled = true;
    }

    /// Whether the work was asked to end.
    public boolean isCancelled() {
        return cancelled;
    }

    void begin(long pages) {
        total = pages;
        done = 0;
    }

    /// Called by the working thread alone.
    void at(long pages) throws SaveCancelledException {
        done = pages;
        if (cancelled) {
            throw new SaveCancelledException();
        }
    }
}
