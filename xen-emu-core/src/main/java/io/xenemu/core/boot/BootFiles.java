package io.xenemu.core.boot;

import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The files that a guest boots from, open from the moment their headers are checked until the guest has them in its memory.
/// They are opened anew for each boot, so a guest that reboots gets what is there then, as under xl.
public final class BootFiles implements AutoCloseable {
    /// For what is unpacked.
    private final Arena arena = Arena.ofConfined();

    private final List<FileContent> open = new ArrayList<>();
    private final List<BootModule> modules = new ArrayList<>();
    private final KernelImage kernel;

    private BootFiles(Path kernel, List<String> modules, long unpackedLimit) throws BootException {
        try {
            BootContent image = add(FileContent.open(kernel, "kernel"));
            String name = kernel.toString();
            if (GzipContent.hasMagic(image)) {
                image = GzipContent.unpack(name, image, unpackedLimit, arena);
            }
            this.kernel = KernelImage.parse(name, image);
            for (String module : modules) {
                this.modules.add(BootModule.open(module, this::add));
            }
        } catch (BootException | RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    /// Opens a kernel, which may be packed by gzip, and its modules. For one thread.
    ///
    /// @param modules `--initrd` arguments: `FILE` or `FILE ARGS`
    /// @param unpackedLimit how long a packed kernel may be when it has been unpacked, in bytes
    /// @throws BootException when a file is no kernel, or cannot be read
    public static BootFiles open(Path kernel, List<String> modules, long unpackedLimit)
            throws BootException {
        return new BootFiles(kernel, modules, unpackedLimit);
    }

    /// The kernel.
    public KernelImage kernel() {
        return kernel;
    }

    /// Its modules.
    public List<BootModule> modules() {
        return List.copyOf(modules);
    }

    private BootContent add(FileContent file) {
        open.add(file);
        return file;
    }

    @Override
    public void close() {
        open.forEach(FileContent::close);
        arena.close();
    }
}
