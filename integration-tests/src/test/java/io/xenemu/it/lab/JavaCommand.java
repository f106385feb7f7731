package io.xenemu.it.lab;

import java.io.File;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The command line that runs a program of this module's tests in a JVM of its own.
public final class JavaCommand {
    /// How much the JVM is to make of a program before it runs it.
    public enum Compilation {
        /// Compiles well, for programs that measure.
        FULL,
        /// Compiles once and fast: in the lab the rest costs a short program more than it brings.
        QUICK
    }

    private JavaCommand() {}

    /// The command.
    ///
    /// @param classPath searched before this JVM's own
    public static List<String> of(
            Compilation compilation,
            Collection<Path> classPath,
            Class<?> program,
            Collection<String> arguments) {
        return of(compilation, classPath, program.getName(), arguments);
    }

    /// The command for a program of another module.
    ///
    /// @param program the name of its class
    public static List<String> of(
            Compilation compilation,
            Collection<Path> classPath,
            String program,
            Collection<String> arguments) {
        List<String> command = new ArrayList<>();
        command.add(System.getProperty("java.home") + "/bin/java");
        command.add("--enable-native-access=ALL-UNNAMED");
        command.add("-XX:+UseSerialGC");
        if (compilation == Compilation.QUICK) {
            command.add("-XX:TieredStopAtLevel=1");
        }
        command.add("-cp");
        command.add(
                Stream.concat(
                                classPath.stream().map(Path::toString),
                                Stream.of(System.getProperty("java.class.path")))
                        .collect(Collectors.joining(File.pathSeparator)));
        command.add(program);
        command.addAll(arguments);
        return command;
    }
}
