package io.xenemu.core.boot;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/// A kernel file that this VMM can start. Its headers have been checked; it can be loaded any number of times.
public sealed interface KernelImage permits BzImage, ElfImage {
    /// Opens a kernel; its content is mapped until `arena` is closed.
    ///
    /// @throws BootException when the file cannot be read or is no kernel
    static KernelImage open(Path file, Arena arena) throws BootException {
        return parse(file.toString(), map(file, "kernel", arena));
    }

    /// Recognises a bzImage or a PVH ELF image. Bounded in time and memory by the size of `content`.
    ///
    /// @throws BootException when it is neither, or broken
    static KernelImage parse(String name, MemorySegment content) throws BootException {
        var reader = new ImageReader(name, content);
        if (ElfImage.hasMagic(reader)) {
            return ElfImage.parse(reader);
        }
        if (BzImage.hasMagic(reader)) {
            return BzImage.parse(reader);
        }
        throw reader.bad("no such header");
    }

    /// Writes the kernel, its modules, command line and boot structures into the guest. The ACPI tables are not included.
    ///
    /// @return the registers of vCPU 0
    /// @throws BootException when it does not fit into the guest
    CpuEntry load(BootRequest request) throws BootException;

    /// Maps a whole file read-only, so that a large initramfs takes no heap.
    static MemorySegment map(Path file, String what, Arena arena) throws BootException {
        if (!Files.isRegularFile(file)) {
            String why = Files.exists(file) ? ": not a regular file" : ": no such file";
            throw new BootException(what + " " + file + why);
        }
        try (var channel = FileChannel.open(file)) {
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
        } catch (IOException e) {
            throw new BootException(what + " " + file + ": cannot be read: " + e.getMessage(), e);
        }
    }
}
