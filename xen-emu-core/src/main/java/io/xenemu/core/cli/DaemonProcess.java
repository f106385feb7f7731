package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A process that serves until SIGTERM or SIGINT ends it. SIGHUP changes nothing: it has no terminal to lose, and no
/// log file to reopen, as the log is standard error.
final class DaemonProcess {
    private static final Logger log = LoggerFactory.getLogger(DaemonProcess.class);

    private DaemonProcess() {}

    /// The service that the process runs.
    interface Service {
        /// Returns when it has been stopped.
        void run() throws HostException;
    }

    /// Runs a service.
    ///
    /// @param stop makes it return when all guests have ended in order; for the first signal
    /// @param stopAtOnce makes it return at once; for the second signal. A third signal ends the process in any state.
    /// @return the exit code
    static int run(Service service, Runnable stop, Runnable stopAtOnce) throws HostException {
        AtomicInteger signals = new AtomicInteger();
        Runnable end = () -> Runtime.getRuntime().halt(ExitCode.TERMINATED);
        List<Runnable> actions = List.of(stop, stopAtOnce, end);
        Runnable next =
                () -> actions.get(Math.min(signals.getAndIncrement(), actions.size() - 1)).run();
        ProcessSignals.handle("TERM", next);
        ProcessSignals.handle("INT", next);
        ProcessSignals.handle("HUP", () -> log.info("SIGHUP: there is nothing to do"));
        service.run();
        return 0;
    }
}
