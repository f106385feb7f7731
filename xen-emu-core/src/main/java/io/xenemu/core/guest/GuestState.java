package io.xenemu.core.guest;

/// The states of a guest, which [Guest] draws. Only the guest's driver moves it from one to the next.
public enum GuestState {
    /// It exists, and has no domain yet.
    MADE,
    /// A domain is built for its first or next boot, and gets its devices. The domain does not run yet.
    STARTING,
    /// Its vCPUs may run.
    RUNNING,
    /// An operator keeps its vCPUs from running.
    PAUSED,
    /// It has suspended itself, and stands still until an operator resumes it.
    SUSPENDED,
    /// Its state is being written to a file.
    SAVING,
    /// Its state is being sent to another host.
    MIGRATING,
    /// Its domain has stopped, and stays: until it is destroyed, or as long as its core is dumped.
    PRESERVED,
    /// Its domain has stopped, and is removed because the guest boots again. The next boot may have to wait.
    REBOOTING,
    /// It does not run again. The rest of its domain is removed.
    ENDED;

    /// Whether a guest may go from this state to `next` in one step.
    boolean mayBecome(GuestState next) {
        return switch (next) {
            case MADE -> false;
            case STARTING -> this == MADE || this == REBOOTING;
            case RUNNING, PAUSED -> this == STARTING || hasRunningDomain();
            case SUSPENDED -> this == RUNNING || this == PAUSED;
            case SAVING, MIGRATING -> this == RUNNING || this == PAUSED;
            case PRESERVED -> hasRunningDomain();
            case REBOOTING -> hasRunningDomain() || this == PRESERVED;
            case ENDED -> this != ENDED;
        };
    }

    /// Whether its domain has been started, and may end by itself.
    private boolean hasRunningDomain() {
        return switch (this) {
            case RUNNING, PAUSED, SUSPENDED, SAVING, MIGRATING -> true;
            case MADE, STARTING, PRESERVED, REBOOTING, ENDED -> false;
        };
    }
}
