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
        int blank = argument.indexOf(' ');
        if (blank < 0 || Files.exists(Path.of(argument))) {
            return new BootModule(
                    argument, KernelImage.map(Path.of(argument), "initrd", arena), "");
        }
        Path file = Path.of(argument.substring(0, blank));
        String arguments = argument.substring(blank + 1).strip();
        return new BootModule(file.toString(), KernelImage.map(file, "initrd", arena), arguments);
    }
}
