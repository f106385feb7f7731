package io.xenemu.kvm.socket;

import java.util.concurrent.TimeUnit;

/// When to try again after a connection could not be accepted. Out of descriptors, a listening socket stays ready and every
/// attempt fails at once, so a loop that only goes on takes a whole processor. Not thread-safe.
public final class AcceptPause {
    /// Long enough to cost nothing, short enough for who waits.
    private static final long PAUSE_MILLIS = 1000;

    private boolean failing;
    private long until;

    /// Nothing has failed yet.
    public AcceptPause() {}

    /// It has failed: the pause begins.
    ///
    /// @return whether it worked before, and an operator is to be told
    public boolean failed() {
        boolean first = !failing;
        failing = true;
        until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(PAUSE_MILLIS);
        return first;
    }

    /// It has worked.
    ///
    /// @return whether it failed before, and an operator is to be told
    public boolean worked() {
        boolean first = failing;
        failing = false;
        return first;
    }

    /// A descriptor has become free: there is no reason to wait longer.
    public void end() {
        until = System.nanoTime();
    }

    /// Milliseconds until the next attempt, rounded up; 0 for now.
    public long millisLeft() {
        long left = failing ? until - System.nanoTime() : 0;
        return left <= 0 ? 0 : TimeUnit.NANOSECONDS.toMillis(left) + 1;
    }
}
