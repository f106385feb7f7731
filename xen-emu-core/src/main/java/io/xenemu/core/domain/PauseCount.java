package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;

/// The number of an operator's pauses of a domain. Pauses nest: each needs an unpause of its own. Other holds of the
/// vCPUs, such as a save's, are counted separately, as in Xen (`controller_pause_count` and `pause_count`). So an
/// operator's unpause cannot start a domain that is being saved.
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
