package io.xenemu.core.domain;

/// The reason for which a domain stopped. The first six are Xen's (`SHUTDOWN_*` in `sched.h`); the seventh stands for
/// any other number from the guest. The rest are ends of a VM that its guest did not request.
public enum ShutdownReason {
    POWEROFF(0),
    REBOOT(1),
    SUSPEND(2),
    CRASH(3),
    WATCHDOG(4),
    SOFT_RESET(5),
    OTHER(-1),
    TRIPLE_FAULT(-1),
    HOST_ERROR(-1),
    DESTROYED(-1),
    /// Its state has been saved, and it goes on elsewhere.
    SAVED(-1);

    private final int code;

    ShutdownReason(int code) {
        this.code = code;
    }

    /// The reason that a guest gave (SCHEDOP_shutdown).
    ///
    /// @param code 0 to 255
    public static ShutdownReason of(int code) {
        for (ShutdownReason reason : values()) {
            if (reason.code == code) {
                return reason;
            }
        }
        return OTHER;
    }

    /// The line for an operator about a reason that a guest gave; empty for one with a name.
    ///
    /// @param code 0 to 255
    public static String describe(int code) {
        return of(code) == OTHER ? "shutdown for reason " + code : "";
    }

    /// Whether a reason that the guest has announced replaces this one (Xen's `domain_shutdown`). False if an operator
    /// or the host ends the domain, which Xen does without that function.
    boolean isGuests() {
        return this != HOST_ERROR && this != DESTROYED && this != SAVED;
    }

    /// The number in Xen's interface, or -1.
    public int code() {
        return code;
    }
}
