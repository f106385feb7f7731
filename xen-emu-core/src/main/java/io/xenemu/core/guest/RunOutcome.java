package io.xenemu.core.guest;

/// How running a guest in the foreground ended.
public enum RunOutcome {
    POWEROFF,
    /// The guest asked for a reboot that it was not to get.
    REBOOT,
    CRASH,
    TRIPLE_FAULT,
    /// Watchdog, suspend or soft reset, which are not served.
    OTHER_SHUTDOWN,
    TIMEOUT,
    HOST_ERROR,
    /// `GuestRun#stop` was called.
    STOPPED
}
