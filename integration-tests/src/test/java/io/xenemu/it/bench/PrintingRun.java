package io.xenemu.it.bench;

import io.xenemu.core.lab.LabMachine;
import io.xenemu.core.lab.LabProcess;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/// A command in the lab that prints what it measures.
final class PrintingRun {
    private PrintingRun() {}

    /// Runs it to its end, and prints what it prints.
    ///
    /// @param folder where it runs
    /// @throws IOException if it fails
    static void of(LabMachine machine, List<String> command, Path folder)
            throws IOException, InterruptedException {
        LabProcess program = machine.start(command, folder, System.getenv());
        program.getOutputStream().close();
        Thread messages =
                Thread.ofVirtual()
                        .start(() -> program.errorReader().lines().forEach(System.err::println));
        program.inputReader(StandardCharsets.UTF_8).lines().forEach(System.out::println);
        int status = program.waitFor();
        messages.join();
        if (status != 0) {
            throw new IOException("exit status " + status);
        }
    }
}
