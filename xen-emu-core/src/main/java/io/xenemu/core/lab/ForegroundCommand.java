package io.xenemu.core.lab;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/// A command in the lab in the place of this process: with its streams, its folder, its environment, and ended when this process is told to end.
final class ForegroundCommand {
    /// How long the command may take to end by itself when this process ends: after Ctrl-C or SIGTERM.
    private static final long END_LIMIT_SECONDS = 15;

    private ForegroundCommand() {}

    /// Runs it to its end.
    ///
    /// @return its exit status
    static int run(LabMachine machine, List<String> command)
            throws IOException, InterruptedException {
        return run(machine, command, _ -> {});
    }

    /// The same, for a command that may take longer to end after SIGTERM.
    ///
    /// @param terminated is given what passes SIGTERM on, in place of the end of this process
    static int run(LabMachine machine, List<String> command, Consumer<Runnable> terminated)
            throws IOException, InterruptedException {
        LabProcess process = machine.start(command, Path.of(""), System.getenv());
        // The shutdown sequence is where Java tells of SIGINT and SIGTERM. Output goes on during
        // it.
        Thread atSignal = new Thread(() -> end(process, machine), "lab-end");
        Runtime.getRuntime().addShutdownHook(atSignal);
        terminated.accept(process::destroy);
        int status = StandardStreams.connect(process);
        try {
            Runtime.getRuntime().removeShutdownHook(atSignal);
        } catch (IllegalStateException shuttingDown) {
            // The hook does the rest.
            return status;
        }
        return status;
    }

    private static void end(LabProcess process, LabMachine machine) {
        process.destroy();
        try {
            process.waitFor(END_LIMIT_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        machine.close();
    }
}
