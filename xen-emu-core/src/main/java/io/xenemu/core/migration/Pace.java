package io.xenemu.core.migration;

import java.util.concurrent.TimeUnit;

/// Holds a stream to a number of bytes for each second, as an average from its beginning. For one thread.
public final class Pace {
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

    private final long bytesPerSecond;
    private final long begun = System.nanoTime();

    /// @param bytesPerSecond 0 for no limit
    public Pace(long bytesPerSecond) {
        this.bytesPerSecond = bytesPerSecond;
    }

    /// Waits until so many bytes may have been written.
    void at(long bytes) throws InterruptedException {
        if (bytesPerSecond == 0) {
            return;
        }
        long due = (long) ((double) bytes / bytesPerSecond * SECOND);
        long left = due - (System.nanoTime() - begun);
        if (left > 0) {
            TimeUnit.NANOSECONDS.sleep(left);
        }
    }
}
