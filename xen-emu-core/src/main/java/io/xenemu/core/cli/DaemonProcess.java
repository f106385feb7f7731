package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A process that serves until SIGTERM or SIGINT ends it. SIGHUP changes nothing: there is no terminal to lose, and no
/// log file to open anew, as the log is standard error.
final class DaemonProcess {
    private static final Logger log = LoggerFactory.getLogger(DaemonProcess.class);

    private DaemonProcess() {}

    /// What serves.
    interface Service {
        /// Returns when it has been stopped.
        void run() throws HostException;
    }

    /// Runs a service.
    ///
    /// @param stop has it return when all has ended in order; for the first signal
    /// @param stopAtOnce has it return at once; for the second one. A third one ends the process, whatever its state.
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
