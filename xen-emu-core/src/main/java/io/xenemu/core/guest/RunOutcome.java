package io.xenemu.core.guest;

import io.xenemu.core.domain.ShutdownReason;
import org.jspecify.annotations.Nullable;

/// The outcome of running a guest.
public enum RunOutcome {
    POWEROFF,
    /// The guest asked for a reboot that it was not to get.
    REBOOT,
    CRASH,
    TRIPLE_FAULT,
    /// Watchdog, or a reason that is not served, such as soft reset.
    OTHER_SHUTDOWN,
    TIMEOUT,
    HOST_ERROR,
    /// The guest was destroyed.
    STOPPED,
    /// The guest was saved, and goes on elsewhere.
    SAVED;

    /// The outcome of a guest whose last domain has stopped.
    ///
    /// @param reason null if its time was over
    static RunOutcome of(@Nullable ShutdownReason reason) {
        return switch (reason) {
            case null -> TIMEOUT;
            case POWEROFF -> POWEROFF;
            case REBOOT -> REBOOT;
            case CRASH -> CRASH;
            case TRIPLE_FAULT -> TRIPLE_FAULT;
            case HOST_ERROR -> HOST_ERROR;
            case DESTROYED -> STOPPED;
            case SAVED -> SAVED;
            case SUSPEND, WATCHDOG, SOFT_RESET, OTHER -> OTHER_SHUTDOWN;
        };
    }
}
