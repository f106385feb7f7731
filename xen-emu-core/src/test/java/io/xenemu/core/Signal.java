package io.xenemu.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;

/// Signals to processes that a test has started.
public final class Signal {
    private Signal() {}

    /// Sends one.
    ///
    /// @param name without SIG: `TERM`
    public static void send(Process process, String name) throws IOException, InterruptedException {
        // The shell's own: the program is in a package that small machines lack.
        Process kill =
                new ProcessBuilder("/bin/sh", "-c", "kill -%s %d".formatted(name, process.pid()))
                        .inheritIO()
                        .start();
        assertEquals(0, kill.waitFor());
    }
}
