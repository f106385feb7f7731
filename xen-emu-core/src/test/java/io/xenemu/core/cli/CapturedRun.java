package io.xenemu.core.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.List;
import java.util.function.IntSupplier;

/// What a command has printed in this process.
///
/// @param code of its exit
/// @param output on standard output
/// @param complaints on standard error
record CapturedRun(int code, String output, String complaints) {
    /// Runs a command by its words.
    static CapturedRun of(String... words) {
        return of(() -> XenEmu.commandLine(words).execute(words));
    }

    /// Runs a command.
    ///
    /// @param command gives its exit code
    static CapturedRun of(IntSupplier command) {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        ByteArrayOutputStream complaints = new ByteArrayOutputStream();
        System.setOut(new PrintStream(output, true, UTF_8));
        System.setErr(new PrintStream(complaints, true, UTF_8));
        try {
            int code = command.getAsInt();
            System.out.flush();
            return new CapturedRun(code, output.toString(UTF_8), complaints.toString(UTF_8));
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
    }

    /// The lines of its output.
    List<String> printed() {
        return output.lines().toList();
    }

    /// The lines on standard error.
    List<String> errors() {
        return complaints.lines().toList();
    }
}
