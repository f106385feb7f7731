package io.xenemu.core.host;

/// The progress of work that takes long, such as a save or a core dump, and the request to cancel it. The thread that
/// works never waits for a thread that reads the progress.
///
/// The unit is the work's own: pages of RAM for a save or a restore, bytes of memory for a core dump.
public final class WorkProgress {
    private volatile long done;
    private volatile long total;
    private volatile boolean cancelled;

    /// The part that has been dealt with.
    public long done() {
        return done;
    }

    /// All of it; 0 before the work has begun.
    public long total() {
        return total;
    }

    /// Makes the work end soon, without a result.
    public void cancel() {
        cancelled = true;
    }

    /// Whether the work was asked to end.
    public boolean isCancelled() {
        return cancelled;
    }

    /// Begins the work. Called by the working thread alone.
    ///
    /// @param all how much there is
    public void begin(long all) {
        total = all;
        done = 0;
    }

    /// Tells how far the work is. Called by the working thread alone.
    public void at(long part) {
        done = part;
    }
}
