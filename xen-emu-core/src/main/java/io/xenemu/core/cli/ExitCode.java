package io.xenemu.core.cli;

/// Exit codes of `xen-emu run`, as its help lists them.
public final class ExitCode {
    /// The guest powered off.
    public static final int POWEROFF = 0;

    /// The host failed: KVM, a file, a port. One line on standard error gives the reason.
    public static final int HOST_ERROR = 1;

    /// The command line was wrong.
    public static final int USAGE = 2;

    /// The guest rebooted and was not to boot again.
    public static final int REBOOT = 3;

    /// The guest said that it crashed (SHUTDOWN_crash), or was crashed by this service.
    public static final int CRASH = 4;

    /// A vCPU shut down by a triple fault, which is a reboot, and the guest was not to boot again.
    public static final int TRIPLE_FAULT = 5;

    /// The guest's watchdog fired, or it gave a shutdown reason that this service does not serve.
    public static final int OTHER_SHUTDOWN = 6;

    /// `--timeout` ran out; the number that timeout(1) uses.
    public static final int TIMEOUT = 124;

    /// Ctrl-C: 128 + SIGINT.
    public static final int INTERRUPTED = 130;

    /// SIGTERM: 128 + SIGTERM.
    public static final int TERMINATED = 143;

    private ExitCode() {}
}
