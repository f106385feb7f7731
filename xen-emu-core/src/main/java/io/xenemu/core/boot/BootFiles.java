package io.xenemu.core.boot;

import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The files that a guest boots from. They stay open from the check of their headers until the guest has them in its
/// memory. They are opened for each boot, so a guest that reboots gets their current contents, as with xl.
public final class BootFiles implements AutoCloseable {
    /// Owns the memory of unpacked files.
    private final Arena arena = Arena.ofConfined();

    private final List<FileContent> open = new ArrayList<>();
    private final List<BootModule> modules = new ArrayList<>();
    private final KernelImage kernel;

    private BootFiles(Path kernel, List<String> modules, long unpackedLimit) throws BootException {
        requireModules(kernel, modules.size());
        try {
            BootContent image = add(FileContent.open(kernel, what(kernel)));
            this.kernel = parse(kernel.toString(), image, unpackedLimit);
            for (String module : modules) {
                this.modules.add(BootModule.open(module, this::add));
            }
        } catch (BootException | RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private BootFiles(KeptBootFiles kept, List<String> modules, long unpackedLimit)
            throws BootException {
        KeptBootFiles.Kept image = kept.files().getFirst();
        if (kept.areLost()) {
            throw new BootException(
                    image.path()
                            + ": cannot be read from the file that the guest was restored from");
        }
        requireModules(image.path(), modules.size());
        try {
            BootContent content = FileContent.of("kernel " + image.path(), image.content());
            if (content.size() == 0) {
                throw new BootException(image.path() + ": the saved guest came without its kernel");
            }
            this.kernel = parse(image.path(), content, unpackedLimit);
            for (int i = 0; i < modules.size(); i++) {
                KeptBootFiles.Kept module = kept.files().get(1 + i);
                this.modules.add(
                        new BootModule(
                                module.path(),
                                FileContent.of("initrd " + module.path(), module.content()),
                                modules.get(i).substring(module.path().length()).strip()));
            }
        } catch (BootException | RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private static void requireModules(Object kernel, int count) throws BootException {
        if (count > StartInfo.MAX_MODULES) {
            throw new BootException(kernel + ": more than " + StartInfo.MAX_MODULES + " modules");
        }
    }

    private KernelImage parse(String name, BootContent image, long unpackedLimit)
            throws BootException {
        return KernelImage.parse(
                name,
                GzipContent.hasMagic(image)
                        ? GzipContent.unpack(name, image, unpackedLimit, arena)
                        : image);
    }

    /// Opens a kernel or boot loader, which may be compressed with gzip, and its modules. Not thread-safe.
    ///
    /// @param modules `--initrd` arguments: `FILE` or `FILE ARGS`
    /// @param unpackedLimit the longest that a compressed kernel may be when unpacked, in bytes
    /// @throws BootException if a file is not a kernel, or cannot be read
    public static BootFiles open(Path kernel, List<String> modules, long unpackedLimit)
            throws BootException {
        return new BootFiles(kernel, modules, unpackedLimit);
    }

    /// Uses kept contents, which stay open.
    ///
    /// @param kept a kernel, and as many modules as there are arguments
    /// @param modules `--initrd` arguments, which begin with the modules' paths
    /// @param unpackedLimit the longest that a compressed kernel may be when unpacked, in bytes
    /// @throws BootException if they cannot be read, or the kernel is none
    public static BootFiles open(KeptBootFiles kept, List<String> modules, long unpackedLimit)
            throws BootException {
        return new BootFiles(kept, modules, unpackedLimit);
    }

    private static String what(Path kernel) {
        return BootLoader.at(kernel).isPresent() ? "boot loader" : "kernel";
    }

    /// The kernel, or the boot loader.
    public KernelImage kernel() {
        return kernel;
    }

    /// The kernel's modules.
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
