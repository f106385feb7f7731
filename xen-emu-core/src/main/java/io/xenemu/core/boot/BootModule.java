package io.xenemu.core.boot;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Function;

/// A file that the guest gets in addition to its kernel: an initramfs, or any module for ELF images.
///
/// @param name for messages
/// @param content the file's bytes
/// @param commandLine the module's own command line, empty if it has none
public record BootModule(String name, BootContent content, String commandLine) {
    /// Opens `FILE` or `FILE ARGS` as given with `--initrd`. Everything after the first blank is the module's command
    /// line, unless a file with that whole name exists.
    ///
    /// @param opened takes over the open file
    /// @throws BootException if the file cannot be read
    static BootModule open(String argument, Function<FileContent, BootContent> opened)
            throws BootException {
        int end = fileEnd(argument);
        String file = argument.substring(0, end);
        BootContent content = opened.apply(FileContent.open(Path.of(file), "initrd"));
        return new BootModule(file, content, argument.substring(end).strip());
    }

    /// The argument for a process with a different working directory.
    public static String absolute(String argument) {
        int end = fileEnd(argument);
        return Path.of(argument.substring(0, end)).toAbsolutePath() + argument.substring(end);
    }

    /// The file of an argument, which the argument begins with.
    public static String file(String argument) {
        return argument.substring(0, fileEnd(argument));
    }

    /// The end of the file's name. A file whose name contains a blank can have no arguments.
    private static int fileEnd(String argument) {
        int blank = argument.indexOf(' ');
        return blank < 0 || Files.exists(Path.of(argument)) ? argument.length() : blank;
    }
}
