package io.xenemu.core.lab;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/// A command in the lab that stands for this process: it has its streams, folder and environment, and ends with it.
final class ForegroundCommand {
    /// Time for the command to end by itself when this process ends, after Ctrl-C or SIGTERM.
    private static final long END_LIMIT_SECONDS = 15;

    private ForegroundCommand() {}

    /// Runs it to its end.
    ///
    /// @return its exit status
    static int run(LabMachine machine, List<String> command)
            throws IOException, InterruptedException {
        return run(machine, command, _ -> {});
    }

    /// Runs a command that may take longer to end after SIGTERM: see [#run(LabMachine, List)].
    ///
    /// @param terminated gets an action that passes SIGTERM on, instead of the end of this process
    static int run(LabMachine machine, List<String> command, Consumer<Runnable> terminated)
            throws IOException, InterruptedException {
        LabProcess process = machine.start(command, Path.of(""), System.getenv());
        // Java reports SIGINT and SIGTERM by its shutdown sequence. Output goes on during
        // it.
        Thread atSignal = new Thread(() -> end(process, machine), "lab-end");
        Runtime.getRuntime().addShutdownHook(atSignal);
        terminated.accept(process::destroy);
        int status = StandardStreams.connect(process);
        try {
            Runtime.getRuntime().removeShutdownHook(atSignal);
        } catch (IllegalStateException shuttingDown) {
            // The shutdown hook does the rest.
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
