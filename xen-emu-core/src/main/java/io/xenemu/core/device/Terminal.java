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

/// The terminal on standard input, as a guest's console wants it: each key at once, as it is typed, and no echo, since the
/// guest echoes. Done by `stty`, which is part of every Linux system.
public final class Terminal implements AutoCloseable {
    private static final Path STDIN = Path.of("/proc/self/fd/0");
    private static final Path STDOUT = Path.of("/proc/self/fd/1");

    private final String saved;
    private final Thread atExit;
    private boolean restored;

    private Terminal(String saved) {
        this.saved = saved;
        atExit = new Thread(this::restore, "terminal-restore");
    }

    /// Gives every key and every byte of output to the guest, as cfmakeraw(3) does for xenconsole. Until [#close] or the end of
    /// the JVM, also by a signal, whichever comes first. Does nothing when standard input is no terminal.
    public static Terminal raw() {
        return with("raw", "-echo", "-iexten");
    }

    /// The same for a terminal that this process shares with the guest: Ctrl-C still interrupts it, and lines of its own begin
    /// at the left.
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

    /// Restores what was set before.
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

    /// How wide the terminal on standard output is, if it is one.
    public static OptionalInt columns() {
        if (!isTerminal(STDOUT)) {
            return OptionalInt.empty();
        }
        String size = stty(Redirect.from(STDOUT.toFile()), "size");
        Integer columns = Ints.tryParse(size.substring(size.indexOf(' ') + 1));
        return columns == null ? OptionalInt.empty() : OptionalInt.of(columns);
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

    /// Runs `stty` on a terminal and returns what it prints, or nothing if it fails: a terminal that stays as it is
    /// is no reason not to run a guest.
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
