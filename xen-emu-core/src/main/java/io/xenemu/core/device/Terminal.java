package io.xenemu.core.device;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;

/// The terminal on standard input, as a guest's console wants it: each key at once and no echo, since the guest echoes.
/// Ctrl-C still interrupts the VMM. Done by `stty`, which is part of every Linux system.
public final class Terminal implements AutoCloseable {
    private static final Path STDIN = Path.of("/proc/self/fd/0");

    private final String saved;
    private final Thread atExit;
    private boolean restored;

    private Terminal(String saved) {
        this.saved = saved;
        atExit = new Thread(this::restore, "terminal-restore");
    }

    /// Switches the terminal until [#close] or the end of the JVM, whichever comes first. Does nothing when standard input
    /// is no terminal.
    public static Terminal raw() {
        String settings = isTerminal() ? stty("-g") : "";
        var terminal = new Terminal(settings);
        if (!settings.isEmpty()) {
            Runtime.getRuntime().addShutdownHook(terminal.atExit);
            stty("-icanon", "-echo", "isig", "min", "1", "time", "0");
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

    private static boolean isTerminal() {
        try {
            String device = Files.readSymbolicLink(STDIN).toString();
            return device.startsWith("/dev/pts/")
                    || device.startsWith("/dev/tty")
                    || device.equals("/dev/console");
        } catch (IOException e) {
            return false;
        }
    }

    /// Runs `stty` on our standard input and returns what it prints, or nothing if it fails: a terminal that stays as it is
    /// is no reason not to run a guest.
    private static String stty(String... arguments) {
        String[] command =
                Stream.concat(Stream.of("stty"), Arrays.stream(arguments)).toArray(String[]::new);
        try {
            Process process =
                    new ProcessBuilder(command)
                            .redirectInput(ProcessBuilder.Redirect.INHERIT)
                            .redirectError(ProcessBuilder.Redirect.DISCARD)
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
