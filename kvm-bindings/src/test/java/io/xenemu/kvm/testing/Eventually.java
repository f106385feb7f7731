package io.xenemu.kvm.testing;

import java.time.Duration;

/// Waits for a result of another thread, another process or the kernel, and fails when it does not come. A loop that
/// only looks would wait for ever.
public final class Eventually {
    /// Far more than anything here needs on a loaded machine.
    private static final Duration LIMIT = Duration.ofSeconds(60);

    /// So many looks come at once, for what takes microseconds.
    private static final int SPINS = 1000;

    private Eventually() {}

    /// Something that may come true.
    ///
    /// @param <E> what looking may throw
    public interface Condition<E extends Exception> {
        /// Looks.
        boolean holds() throws E;
    }

    /// Waits until a condition holds.
    ///
    /// @param what is waited for, in words
    /// @throws AssertionError after 60 s, or when the thread is interrupted
    public static <E extends Exception> void holds(String what, Condition<E> condition) throws E {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        for (int looks = 0; !condition.holds(); looks++) {
            if (System.nanoTime() - deadline > 0) {
                throw new AssertionError(
                        "waited %d s in vain: %s".formatted(LIMIT.toSeconds(), what));
            }
            pause(looks, what);
        }
    }

    private static void pause(int looks, String what) {
        if (looks < SPINS && !Thread.currentThread().isInterrupted()) {
            Thread.onSpinWait();
            return;
        }
        try {
            Thread.sleep(1);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted while waiting: " + what, e);
        }
    }
}
