package io.xenemu.core.lab;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/// Starts QEMU so that it cannot outlive this process, even when this process is killed. It does not get the terminal's
/// Ctrl-C, which this process handles.
final class QemuProcess {
    private QemuProcess() {}

    /// Starts it.
    ///
    /// @param log gets QEMU's errors
    static Process start(List<String> command, Path log) throws IOException {
        List<String> dying = new ArrayList<>(List.of("setsid", "setpriv", "--pdeathsig", "KILL"));
        dying.addAll(command);
        CompletableFuture<Process> started = new CompletableFuture<>();
        // The kernel sends that signal when the thread that started the process ends, so one
        // thread stays for it.
        Thread.ofPlatform()
                .name("lab-qemu")
                .daemon()
                .start(() -> startAndStay(dying, log, started));
        try {
            return started.join();
        } catch (CompletionException e) {
            throw new LabException("cannot start QEMU", e);
        }
    }

    private static void startAndStay(
            List<String> command, Path log, CompletableFuture<Process> started) {
        try {
            Process process = new ProcessBuilder(command).redirectError(log.toFile()).start();
            started.complete(process);
            process.waitFor();
        } catch (IOException e) {
            started.completeExceptionally(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
