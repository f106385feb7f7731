package io.xenemu.core.cli;

import io.xenemu.core.service.HostException;

/// A process that serves until a signal ends it in order.
final class DaemonProcess {
    private DaemonProcess() {}

    /// What serves.
    interface Service {
        /// Returns when it has been stopped.
        void run() throws HostException;
    }

    /// Runs a service.
    ///
    /// @param stop stops it and waits for its end
    /// @return the exit code
    static int run(Service service, Runnable stop) throws HostException {
        Thread hook =
                new Thread(
                        () -> {
                            stop.run();
                            // As the JVM ends by a signal, which is how a daemon is ended in order.
                            Runtime.getRuntime().halt(0);
                        },
                        "stop");
        Runtime.getRuntime().addShutdownHook(hook);
        try {
            service.run();
        } finally {
            removeHook(hook);
        }
        return 0;
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The JVM is ending, which is what the hook is for.
        }
    }
}
