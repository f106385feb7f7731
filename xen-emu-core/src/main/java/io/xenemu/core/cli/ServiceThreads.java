package io.xenemu.core.cli;

import java.io.PrintStream;
import java.util.Set;
import java.util.function.IntConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Ends the process with a message when a thread of a service cannot go on. Otherwise the threads would die one by one,
/// and the service would look alive without answering.
///
/// A failure on behalf of one guest, connection or request ends only that, and does not come here. Threads of vCPUs,
/// eventfds and timers end their domain ([io.xenemu.core.domain.Domain#failed]), and those of clients their connection.
final class ServiceThreads implements Thread.UncaughtExceptionHandler {
    /// Commands that serve until they are stopped.
    private static final Set<String> SERVICES = Set.of("run", "daemon", "xenstored", "demo");

    /// Made only in a service: it would make every client command pay for the start of the logging.
    private final Logger log = LoggerFactory.getLogger(ServiceThreads.class);

    private final PrintStream err;
    private final IntConsumer halt;

    /// @param err gets the line for the operator
    /// @param halt ends the process at once with an exit code
    ServiceThreads(PrintStream err, IntConsumer halt) {
        this.err = err;
        this.halt = halt;
    }

    /// Sets this handler for all threads of this process if it is a service.
    static void watch(String... args) {
        if (args.length > 0 && SERVICES.contains(args[0])) {
            Thread.setDefaultUncaughtExceptionHandler(
                    new ServiceThreads(System.err, Runtime.getRuntime()::halt));
        }
    }

    @Override
    public void uncaughtException(Thread thread, Throwable failure) {
        // Halts without shutdown hooks, which may wait for a broken part.
        try {
            tell(thread, failure);
        } finally {
            halt.accept(ExitCode.HOST_ERROR);
        }
    }

    private void tell(Thread thread, Throwable failure) {
        if (failure instanceof OutOfMemoryError) {
            err.println(
                    "xen-emu: out of memory ("
                            + failure.getMessage()
                            + ") in thread "
                            + thread.getName()
                            + ": the service ends; XEN_EMU_JAVA_OPTS=-Xmx... allows more heap");
        } else {
            err.println(
                    "xen-emu: thread "
                            + thread.getName()
                            + " has failed: the service ends: "
                            + failure);
            log.error("{} failed: this is a bug", thread.getName(), failure);
        }
    }
}
