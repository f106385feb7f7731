package io.xenemu.it.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Path;

/// C's side of a load: `exits`, which waits but when it is measured.
final class BareExits implements AutoCloseable {
    /// CPU time of a window, about as long as ours.
    private static final double WINDOW_NANOS = 300e6;

    private static final long FIRST_WINDOW = 10_000;

    private final Process process;
    private final Writer commands;
    private final BufferedReader answers;
    private long exits = FIRST_WINDOW;

    BareExits(Path program, ExitLoad load) throws IOException {
        process =
                new ProcessBuilder(program.toString(), load.counterpart)
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        commands = process.outputWriter();
        answers = process.inputReader();
    }

    /// Makes exits for a while.
    ///
    /// @return ns of CPU time that each took
    double window() throws IOException {
        commands.write(exits + "\n");
        commands.flush();
        String answer = answers.readLine();
        if (answer == null) {
            throw new IOException("exits has ended");
        }
        double nanos = Double.parseDouble(answer) / exits;
        exits = Math.round(WINDOW_NANOS / nanos);
        return nanos;
    }

    @Override
    public void close() throws IOException {
        commands.close();
        process.destroy();
    }
}
