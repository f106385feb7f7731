package io.xenemu.it.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.Reader;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/// A command in the lab machine whose output a test waits for, piece by piece.
public final class RunningCommand implements AutoCloseable {
    /// Emulation on a loaded machine is slow; nothing here takes a tenth of this on an idle one.
    private static final long LIMIT_SECONDS = 420;

    private final List<String> command;
    private final Process process;
    private final StringBuilder output = new StringBuilder();
    private final Thread stdout;
    private final Thread stderr;

    RunningCommand(List<String> command, Process process) {
        this.command = command;
        this.process = process;
        stdout = Thread.ofVirtual().start(() -> collect(process.getInputStream()));
        stderr = Thread.ofVirtual().start(() -> collect(process.getErrorStream()));
    }

    private void collect(InputStream stream) {
        char[] chars = new char[8192];
        // Keeps the beginning of a character whose end has not come yet.
        try (Reader reader = new InputStreamReader(stream, UTF_8)) {
            for (int count = reader.read(chars); count > 0; count = reader.read(chars)) {
                synchronized (output) {
                    output.append(chars, 0, count);
                    output.notifyAll();
                }
            }
        } catch (IOException e) {
            synchronized (output) {
                output.append("\n[").append(e).append("]\n");
            }
        }
        synchronized (output) {
            output.notifyAll();
        }
    }

    /// Everything that the command has printed so far, on both streams.
    public String output() {
        synchronized (output) {
            return output.toString();
        }
    }

    /// Waits until the command has printed `text`.
    public void awaitText(String text) throws InterruptedException {
        await(text, printed -> printed.contains(text));
    }

    /// Waits until `text` has been printed `times` times in all.
    public void awaitText(String text, int times) throws InterruptedException {
        await(
                times + " times " + text,
                printed -> printed.split(Pattern.quote(text), -1).length > times);
    }

    private void await(String what, Predicate<String> done) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
        synchronized (output) {
            while (!done.test(output.toString())) {
                long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
                boolean ended = !process.isAlive() && !stdout.isAlive();
                if (left <= 0 || ended) {
                    throw new AssertionError(
                            "%s: waited in vain for %s; it %s and printed:%n%s"
                                    .formatted(
                                            command, what, ended ? "ended" : "still runs", output));
                }
                output.wait(Math.min(left, 1000));
            }
        }
    }

    /// Types into the command's standard input.
    public void type(String text) throws IOException {
        OutputStream input = process.getOutputStream();
        input.write(text.getBytes(UTF_8));
        input.flush();
    }

    /// Ends the command's standard input.
    public void closeInput() throws IOException {
        process.getOutputStream().close();
    }

    /// Waits for the command's end.
    ///
    /// @return its exit status
    public int awaitExit() throws InterruptedException {
        if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new AssertionError(command + " did not end; it printed:\n" + output());
        }
        stdout.join();
        stderr.join();
        return process.exitValue();
    }

    /// Whether it has not ended.
    public boolean isAlive() {
        return process.isAlive();
    }

    /// Sends SIGTERM.
    public void terminate() {
        process.destroy();
    }

    @Override
    public void close() {
        if (process.isAlive()) {
            process.destroyForcibly();
        }
    }
}
