package io.xenemu.core.boot;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;

/// A file that the guest gets beside its kernel: an initramfs, or for ELF images any module.
///
/// @param name for messages
/// @param content the file's bytes
/// @param commandLine the module's own command line, empty if it has none
public record BootModule(String name, MemorySegment content, String commandLine) {
    /// Opens `FILE` or `FILE ARGS` as given with `--initrd`: everything after the first blank is the module's command
    /// line, unless a file with that whole name exists. The content is mapped until `arena` is closed.
    ///
    /// @throws BootException when the file cannot be read
    public static BootModule open(String argument, Arena arena) throws BootException {
        int end = fileEnd(argument);
        String file = argument.substring(0, end);
        return new BootModule(
                file,
                KernelImage.map(Path.of(file), "initrd", arena),
                argument.substring(end).strip());
    }

    /// The same argument for a process with another working directory.
    public static String absolute(String argument) {
        int end = fileEnd(argument);
        return Path.of(argument.substring(0, end)).toAbsolutePath() + argument.substring(end);
    }

    /// Where the file's name ends. One that has a blank itself can have no arguments.
    private static int fileEnd(String argument) {
        int blank = argument.indexOf(' ');
        return blank < 0 || Files.exists(Path.of(argument)) ? argument.length() : blank;
    }
}
