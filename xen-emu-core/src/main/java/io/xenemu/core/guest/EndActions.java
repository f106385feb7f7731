package io.xenemu.core.guest;

import io.xenemu.core.domain.ShutdownReason;
import java.util.List;

/// The actions after each way in which a guest's domain stops.
///
/// @param powerOff after SHUTDOWN_poweroff
/// @param reboot after SHUTDOWN_reboot, and after a triple fault, which is a reboot on Xen too
/// @param crash after SHUTDOWN_crash, also of a domain that Xen would have crashed
/// @param watchdog when its watchdog has expired
/// @param softReset when the guest asks for a soft reset (SHUTDOWN_soft_reset)
public record EndActions(
        EndAction powerOff,
        EndAction reboot,
        EndAction crash,
        EndAction watchdog,
        EndAction softReset) {
    /// xl's defaults.
    public static final EndActions DEFAULT =
            new EndActions(
                    EndAction.DESTROY,
                    EndAction.RESTART,
                    EndAction.DESTROY,
                    EndAction.DESTROY,
                    EndAction.SOFT_RESET);

    /// The actions of a guest that ends with its first domain.
    public static final EndActions ONCE =
            new EndActions(
                    EndAction.DESTROY,
                    EndAction.DESTROY,
                    EndAction.DESTROY,
                    EndAction.DESTROY,
                    EndAction.DESTROY);

    /// Whether a stopped domain may stay under another name while the guest boots again.
    public boolean renames() {
        return List.of(powerOff, reboot, crash, watchdog, softReset)
                .contains(EndAction.RENAME_RESTART);
    }

    /// The action after a stop. A domain that has stopped for good cannot be reset any more: an operator's reset, for
    /// which its guest had announced SHUTDOWN_soft_reset, ends it.
    ///
    /// As under xl, a reason that Xen does not know ends the guest. So does a failure of the host, which another domain
    /// would meet as well.
    EndAction after(ShutdownReason reason) {
        return switch (reason) {
            case POWEROFF -> powerOff;
            // HVM_PARAM_TRIPLE_FAULT_REASON is SHUTDOWN_reboot, and no guest may change it.
            case REBOOT, TRIPLE_FAULT -> reboot;
            case CRASH -> crash;
            case WATCHDOG -> watchdog;
            case SOFT_RESET -> softReset == EndAction.SOFT_RESET ? EndAction.DESTROY : softReset;
            case SUSPEND, OTHER, HOST_ERROR, DESTROYED, SAVED -> EndAction.DESTROY;
        };
    }
}
