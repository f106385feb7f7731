package io.xenemu.it.start;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// A run of a launcher to its end.
///
/// @param stdout lines
/// @param stderr lines
record LaunchedCommand(int exitCode, List<String> stdout, List<String> stderr) {
    /// The distribution of this checkout.
    static final Path DISTRIBUTION =
            Path.of("../xen-emu-core/target/dist").toAbsolutePath().normalize();

    /// Where an external command is looked for and is not found.
    static final String NO_COMMANDS = "/nonexistent";

    /// Runs the launcher of a distribution, in an environment of this JDK, no commands, and `more`.
    static LaunchedCommand run(
            Path distribution, Map<String, String> more, Path folder, String... arguments)
            throws IOException, InterruptedException {
        Path stdout = folder.resolve("stdout");
        Path stderr = folder.resolve("stderr");
        Process process =
                builder(distribution, more, arguments)
                        .redirectOutput(stdout.toFile())
                        .redirectError(stderr.toFile())
                        .start();
        process.getOutputStream().close();
        int code = process.waitFor();
        return new LaunchedCommand(code, Files.readAllLines(stdout), Files.readAllLines(stderr));
    }

    /// The process of [#run], not started.
    static ProcessBuilder builder(
            Path distribution, Map<String, String> more, String... arguments) {
        List<String> command = new ArrayList<>();
        command.add(distribution.resolve("bin/xen-emu").toString());
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().clear();
        builder.environment().put("PATH", NO_COMMANDS);
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().putAll(more);
        return builder;
    }
}
