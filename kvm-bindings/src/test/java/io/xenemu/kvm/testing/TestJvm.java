package io.xenemu.kvm.testing;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// A JVM of its own for a program of the tests, with this one's class path.
public final class TestJvm {
    private TestJvm() {}

    /// The command. It compiles once and fast, since such a program is short.
    ///
    /// @param program has the main method
    public static List<String> command(Class<?> program, String... arguments) {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "--enable-native-access=ALL-UNNAMED",
                                "-XX:+UseSerialGC",
                                "-XX:TieredStopAtLevel=1",
                                "-cp",
                                System.getProperty("java.class.path"),
                                program.getName()));
        command.addAll(List.of(arguments));
        return command;
    }
}
