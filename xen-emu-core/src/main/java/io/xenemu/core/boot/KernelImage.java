package io.xenemu.core.boot;

/// A kernel that this VMM can start. Its headers have been checked; it can be loaded any number of times.
public sealed interface KernelImage permits BzImage, ElfImage {
    /// Recognises a bzImage or a PVH ELF image. Bounded in time and memory for any `content`.
    ///
    /// @param name the file's name, for messages
    /// @throws BootException if it is neither, or broken, or cannot be read
    static KernelImage parse(String name, BootContent content) throws BootException {
        var reader = new ImageReader(name, content);
        if (ElfImage.hasMagic(reader)) {
            return ElfImage.parse(reader);
        }
        if (BzImage.hasMagic(reader)) {
            return BzImage.parse(reader);
        }
        throw reader.bad("no such header");
    }

    /// Writes the kernel, its modules, command line and boot structures to the guest. The ACPI tables are not
    /// included.
    ///
    /// @return the registers of vCPU 0
    /// @throws BootException if it does not fit into the guest, or a file cannot be read any more
    CpuEntry load(BootRequest request) throws BootException;
}
