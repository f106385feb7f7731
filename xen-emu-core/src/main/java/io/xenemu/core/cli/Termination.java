package io.xenemu.core.cli;

import java.util.concurrent.atomic.AtomicBoolean;

/// SIGTERM to a process that runs a guest in the foreground. The first one asks the guest to end. The next one ends the
/// process, and its shutdown hooks end the guest at once. Ctrl-C (SIGINT) keeps its default: it ends the process.
final class Termination {
    private final AtomicBoolean asked = new AtomicBoolean();

    /// Handles SIGTERM from now on.
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

    /// Whether a SIGTERM has come.
    boolean isAsked() {
        return asked.get();
    }
}
