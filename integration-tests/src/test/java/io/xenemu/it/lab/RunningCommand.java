package io.xenemu.it.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.Reader;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// A command in the lab machine whose output a test waits for, piece by piece.
public final class RunningCommand implements AutoCloseable {
    /// Emulation on a loaded machine is slow; nothing here takes a tenth of this on an idle one.
    private static final long LIMIT_SECONDS = 420;

    /// Lines of output in a failure's message, of which a test report may show only the first.
    private static final int LAST_LINES = 40;

    /// A command that a signal ended has a greater status.
    private static final int BY_SIGNAL = 128;

    /// A longer word of a command is a program or its settings, which the message of a failure does without.
    private static final int MAX_WORD = 80;

    private final List<String> command;
    private final Process process;
    private final Callable<String> machine;
    private final StringBuilder output = new StringBuilder();
    private final Thread stdout;
    private final Thread stderr;
    private volatile @Nullable RunningCommand service;

    /// @param machine gives what is known of the machine that the command runs in
    RunningCommand(List<String> command, Process process, Callable<String> machine) {
        this.command = command;
        this.process = process;
        this.machine = machine;
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

    /// The limit of a wait, which begins anew when there is more output.
    private static final class Patience {
        private int seen;
        private long deadline = later();

        private static long later() {
            return System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
        }

        /// @param printed how much output there is
        /// @return milliseconds that are left
        long left(int printed) {
            if (printed > seen) {
                seen = printed;
                deadline = later();
            }
            return TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
        }
    }

    /// Shows the last lines of a service too when the command fails a test.
    ///
    /// @param service what the command speaks to
    public void speaksTo(RunningCommand service) {
        this.service = service;
    }

    /// Everything that the command has printed so far, on both streams.
    public String output() {
        synchronized (output) {
            return output.toString();
        }
    }

    /// Waits until the command has printed `text`.
    public void awaitText(String text) throws InterruptedException {
        await(text, printed -> printed.contains(text), false);
    }

    /// Waits until `text` has been printed `times` times in all.
    public void awaitText(String text, int times) throws InterruptedException {
        await(times + " times " + text, isPrinted(text, times), false);
    }

    /// As [#awaitText(String, int)], but for as long as the command prints something: GRUB, which tells of its
    /// progress, can need minutes for a kernel here.
    public void awaitTextWhileItPrints(String text, int times) throws InterruptedException {
        await(times + " times " + text, isPrinted(text, times), true);
    }

    private static Predicate<String> isPrinted(String text, int times) {
        return printed -> printed.split(Pattern.quote(text), -1).length > times;
    }

    private void await(String what, Predicate<String> done, boolean whileItPrints)
            throws InterruptedException {
        Patience patience = new Patience();
        synchronized (output) {
            while (!done.test(output.toString())) {
                long left = patience.left(whileItPrints ? output.length() : 0);
                boolean ended = !process.isAlive() && !stdout.isAlive();
                if (left <= 0 || ended) {
                    throw new AssertionError("waited in vain for %s: %s".formatted(what, told()));
                }
                output.wait(Math.min(left, 1000));
            }
        }
    }

    /// What is known of the command, for the message of a failure.
    public String told() {
        String told =
                "%s %s; its last lines:%n%s"
                        .formatted(
                                command.stream().map(RunningCommand::shortened).toList(),
                                state(),
                                lastLines(output()));
        RunningCommand spoken = service;
        return spoken == null ? told : told + "\nThe service: " + spoken.told();
    }

    private String state() {
        if (process.isAlive()) {
            return "still runs";
        }
        int status = process.exitValue();
        return "has ended with status " + status + (status > BY_SIGNAL ? machineTold() : "");
    }

    private String machineTold() {
        try {
            return " (the machine: " + machine.call() + ")";
        } catch (Exception e) {
            return " (the machine: " + e + ")";
        }
    }

    private static String shortened(String word) {
        return word.length() <= MAX_WORD ? word : word.substring(0, MAX_WORD) + "…";
    }

    private static String lastLines(String text) {
        List<String> lines = text.lines().toList();
        return String.join(
                "\n", lines.subList(Math.max(0, lines.size() - LAST_LINES), lines.size()));
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

    /// Waits for the command's end, for as long as it prints something.
    ///
    /// @return its exit status
    public int awaitExit() throws InterruptedException {
        Patience patience = new Patience();
        while (!process.waitFor(1, TimeUnit.SECONDS)) {
            if (patience.left(output().length()) <= 0) {
                process.destroyForcibly();
                throw new AssertionError("waited in vain for its end: " + told());
            }
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
