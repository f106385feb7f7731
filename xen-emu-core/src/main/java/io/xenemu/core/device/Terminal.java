package io.xenemu.core.device;

import com.google.common.primitives.Ints;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.stream.Stream;

/// The terminal on standard input, set up for a guest's console: it passes each key at once and does not echo, since
/// the guest echoes. Uses `stty`, which is part of every Linux system.
public final class Terminal implements AutoCloseable {
    private static final Path STDIN = Path.of("/proc/self/fd/0");
    private static final Path STDOUT = Path.of("/proc/self/fd/1");
    private static final Path STDERR = Path.of("/proc/self/fd/2");

    private final String saved;
    private final Thread atExit;
    private boolean restored;

    private Terminal(String saved) {
        this.saved = saved;
        atExit = new Thread(this::restore, "terminal-restore");
    }

    /// Makes the terminal pass every key and every byte of output unchanged, as cfmakeraw(3) does for xenconsole. That
    /// lasts until [#close] or the end of the JVM, also by a signal. Does nothing if standard input is not a terminal.
    public static Terminal raw() {
        return with("raw", "-echo", "-iexten");
    }

    /// Makes the terminal raw, but shared by this process and the guest: Ctrl-C still interrupts the process, and its
    /// own lines start at the left. Lasts as long as [#raw].
    public static Terminal shared() {
        return with(
                "raw", "-echo", "-iexten", "opost", "onlcr", "isig", "quit", "undef", "susp",
                "undef");
    }

    private static Terminal with(String... settings) {
        String saved = isTerminal(STDIN) ? stty("-g") : "";
        var terminal = new Terminal(saved);
        if (!saved.isEmpty()) {
            Runtime.getRuntime().addShutdownHook(terminal.atExit);
            stty(settings);
        }
        return terminal;
    }

    /// Restores the earlier settings.
    @Override
    public void close() {
        restore();
    }

    private synchronized void restore() {
        if (!restored && !saved.isEmpty()) {
            restored = true;
            stty(saved);
        }
    }

    /// The width of the terminal on standard output; empty if it is not a terminal.
    public static OptionalInt columns() {
        if (!isTerminal(STDOUT)) {
            return OptionalInt.empty();
        }
        String size = stty(Redirect.from(STDOUT.toFile()), "size");
        Integer columns = Ints.tryParse(size.substring(size.indexOf(' ') + 1));
        return columns == null ? OptionalInt.empty() : OptionalInt.of(columns);
    }

    /// Whether standard output is a terminal.
    public static boolean showsOutput() {
        return isTerminal(STDOUT);
    }

    /// Whether standard error is a terminal.
    public static boolean showsErrors() {
        return isTerminal(STDERR);
    }

    private static boolean isTerminal(Path descriptor) {
        try {
            String device = Files.readSymbolicLink(descriptor).toString();
            return device.startsWith("/dev/pts/")
                    || device.startsWith("/dev/tty")
                    || device.equals("/dev/console");
        } catch (IOException e) {
            return false;
        }
    }

    private static String stty(String... arguments) {
        return stty(Redirect.INHERIT, arguments);
    }

    /// Runs `stty` on a terminal and returns its output. A failure gives an empty text and no error, because a guest
    /// can run although its terminal stays as it is.
    private static String stty(Redirect terminal, String... arguments) {
        String[] command =
                Stream.concat(Stream.of("stty"), Arrays.stream(arguments)).toArray(String[]::new);
        try {
            Process process =
                    new ProcessBuilder(command)
                            .redirectInput(terminal)
                            .redirectError(Redirect.DISCARD)
                            .start();
            byte[] printed = process.getInputStream().readAllBytes();
            String text = new String(printed, StandardCharsets.US_ASCII).strip();
            return process.waitFor() == 0 ? text : "";
        } catch (IOException e) {
            return "";
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "";
        }
    }
}
