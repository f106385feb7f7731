package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;

/// How often an operator has paused a domain. Pauses nest: each needs an unpause of its own. Others who hold the vCPUs
/// do so beside it (Xen's `controller_pause_count` and `pause_count`), so that an operator cannot let a domain run that
/// is being saved.
final class PauseCount {
    private final Quiescence quiescence;

    @GuardedBy("this")
    private int pauses;

    PauseCount(Quiescence quiescence) {
        this.quiescence = quiescence;
    }

    /// Adds a pause. When it returns, every vCPU is parked: see [Quiescence].
    ///
    /// @throws StuckException if a vCPU does not park in time; then no pause was added
    void pause() {
        quiescence.hold();
        synchronized (this) {
            pauses++;
        }
    }

    /// Takes a pause back.
    ///
    /// @return false if there is none
    boolean unpause() {
        synchronized (this) {
            if (pauses == 0) {
                return false;
            }
            pauses--;
        }
        quiescence.release();
        return true;
    }

    /// The number of pauses.
    synchronized int count() {
        return pauses;
    }
}
