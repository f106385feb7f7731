package io.xenemu.core.lab;

/// Notices when a counter stops. It counts looks instead of time, because a watcher that did not run saw nothing.
final class Pulse {
    private final int limit;
    private final long least;
    private long last;
    private int looks;

    /// A pulse that has just beaten.
    ///
    /// @param limit after so many looks without progress it is silent
    /// @param least the progress that counts
    Pulse(int limit, long least) {
        this.limit = limit;
        this.least = least;
    }

    /// Looks once.
    ///
    /// @param value never less than before
    /// @return whether it is silent
    boolean silentAt(long value) {
        if (value - last >= least) {
            last = value;
            looks = 0;
            return false;
        }
        looks++;
        return looks >= limit;
    }

    /// Whether it has made no progress in so many looks.
    boolean isLateBy(int count) {
        return looks >= count;
    }
}
