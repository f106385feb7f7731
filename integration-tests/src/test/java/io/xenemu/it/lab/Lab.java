package io.xenemu.it.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.core.lab.LabImages;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.core.lab.LabProcess;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// The one lab machine of this JVM's tests, for any number of commands at once. To be had as a parameter of a test: see
/// [LabExtension].
public final class Lab implements AutoCloseable {
    /// In the checkout.
    static final Path LAUNCHER = Path.of("xen-emu-core/bin/xen-emu");

    private static final Duration SHELL_LIMIT = Duration.ofMinutes(7);

    private final LabMachine machine;
    private final LabImages images;
    private final Path checkout;

    /// The lab of a program; tests are given one by [LabExtension].
    ///
    /// @param checkout whose launcher has been built
    public Lab(LabMachine machine, LabImages images, Path checkout) {
        this.machine = machine;
        this.images = images;
        this.checkout = checkout;
    }

    /// The result of a command.
    ///
    /// @param exitCode its exit status; 128 + signal when a signal ended it
    public record Result(int exitCode, String stdout, String stderr) {}

    /// Runs a command to its end, with an empty standard input, in the checkout's folder.
    ///
    /// @throws AssertionError when it takes longer; the message has what it printed
    public Result exec(Duration timeout, List<String> command)
            throws IOException, InterruptedException {
        LabProcess process = start(command);
        process.getOutputStream().close();
        CompletableFuture<String> out = text(process.getInputStream());
        CompletableFuture<String> err = text(process.getErrorStream());
        boolean ended = process.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS);
        if (!ended) {
            process.destroyForcibly();
        }
        Result result = new Result(process.waitFor(), out.join(), err.join());
        if (!ended) {
            throw new AssertionError(
                    "%s took longer than %s: %s".formatted(command, timeout, result));
        }
        return result;
    }

    /// Starts a command, in the checkout's folder; its streams are the caller's.
    public LabProcess start(List<String> command) throws IOException {
        return machine.start(command, checkout, System.getenv());
    }

    /// Starts a command whose output a test waits for piece by piece.
    public RunningCommand startRunning(List<String> command) throws IOException {
        return new RunningCommand(command, start(command), machine::lastWords);
    }

    /// Starts a program of this module's tests in a JVM of its own in the machine, with nothing to read.
    ///
    /// @param classPath searched before this JVM's own
    public RunningCommand startJava(List<Path> classPath, Class<?> program, String... arguments)
            throws IOException {
        RunningCommand running =
                startRunning(
                        JavaCommand.of(
                                JavaCommand.Compilation.QUICK,
                                classPath,
                                program,
                                List.of(arguments)));
        running.closeInput();
        return running;
    }

    /// Starts `xen-emu run` in the machine, where its KVM is used directly.
    public RunningCommand xenEmuRun(List<String> arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(launcher().toString(), "run"));
        command.addAll(List.of("--lab", "never"));
        command.addAll(arguments);
        return startRunning(command);
    }

    /// Starts `xen-emu` on the host itself, which then uses a lab machine of its own where it needs one.
    public RunningCommand xenEmuOnTheHost(List<String> arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(launcher().toString()));
        command.addAll(arguments);
        return new RunningCommand(
                command,
                new ProcessBuilder(command).directory(checkout.toFile()).start(),
                () -> "this host");
    }

    /// Runs a shell command in the machine to its end.
    ///
    /// @return what it printed
    /// @throws AssertionError if it fails
    public String shell(String command) throws IOException, InterruptedException {
        Result result = exec(SHELL_LIMIT, List.of("/bin/sh", "-c", command));
        if (result.exitCode() != 0) {
            throw new AssertionError(command + ": " + result);
        }
        return result.stdout();
    }

    /// Seen at the same path in the machine, and written through to here.
    public Path share() {
        return machine.share();
    }

    /// The machine itself.
    public LabMachine machine() {
        return machine;
    }

    /// Kernels, busybox and other packages.
    public LabImages images() {
        return images;
    }

    /// `xen-emu-core/bin/xen-emu`, built.
    public Path launcher() {
        return checkout.resolve(LAUNCHER);
    }

    @Override
    public void close() {
        machine.close();
    }

    private static CompletableFuture<String> text(InputStream stream) {
        CompletableFuture<String> text = new CompletableFuture<>();
        Thread.ofVirtual()
                .start(() -> {
                    try (stream) {
                        text.complete(new String(stream.readAllBytes(), UTF_8));
                    } catch (IOException e) {
                        text.completeExceptionally(new UncheckedIOException(e));
                    }
                });
        return text;
    }
}
