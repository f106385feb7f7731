package io.xenemu.kvm.socket;

import java.util.concurrent.TimeUnit;

/// Delays the next attempt after a connection could not be accepted. Out of descriptors, a listening socket stays
/// ready and every attempt fails at once, so a loop without a delay takes a whole processor. Not thread-safe.
public final class AcceptPause {
    /// Long enough to cost nothing, short enough for waiting clients.
    private static final long PAUSE_MILLIS = 1000;

    private boolean failing;
    private long until;

    /// A pause after no failure yet.
    public AcceptPause() {}

    /// Records a failed attempt: the pause begins.
    ///
    /// @return whether the attempt before had succeeded, so that an operator should be told
    public boolean failed() {
        boolean first = !failing;
        failing = true;
        until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(PAUSE_MILLIS);
        return first;
    }

    /// Records a successful attempt.
    ///
    /// @return whether the attempt before had failed, so that an operator should be told
    public boolean worked() {
        boolean first = failing;
        failing = false;
        return first;
    }

    /// Ends the pause, because a descriptor has become free.
    public void end() {
        until = System.nanoTime();
    }

    /// Milliseconds until the next attempt, rounded up; 0 if it may be made now.
    public long millisLeft() {
        long left = failing ? until - System.nanoTime() : 0;
        return left <= 0 ? 0 : TimeUnit.NANOSECONDS.toMillis(left) + 1;
    }
}
