package io.xenemu.core.cli;

import java.util.concurrent.atomic.AtomicBoolean;

/// SIGTERM to a process that runs a guest in the foreground: the first asks for the end, another one ends the process,
/// whose shutdown hooks do it at once. Ctrl-C (SIGINT) is left as it is: it ends the process.
final class Termination {
    private final AtomicBoolean asked = new AtomicBoolean();

    /// Takes SIGTERM from now on.
    ///
    /// @param first runs at the first one, on a thread of its own
    void handle(Runnable first) {
        ProcessSignals.handle(
                "TERM",
                () -> {
                    if (asked.compareAndSet(false, true)) {
                        first.run();
                    } else {
                        System.exit(ExitCode.TERMINATED);
                    }
                });
    }

    /// Whether there has been one.
    boolean isAsked() {
        return asked.get();
    }
}
