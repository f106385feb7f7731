package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// A small user space for a guest. It has busybox with a shell on the console, and the kernel's modules for Xen, for
/// buttons, for a watchdog and for a file system, which `modprobe` loads. If [LabImages#vchanSocketProxy] exists, it
/// also has `send` and `receive`, which pass files from one guest to another.
public final class GuestInitramfs {
    private static final List<String> MODULES =
            List.of(
                    "xen-evtchn",
                    "xen-gntdev",
                    "xen-gntalloc",
                    "xen-privcmd",
                    "xenfs",
                    "xen-blkfront",
                    "xen-netfront",
                    "xen-blkback",
                    "xen-netback",
                    "9pnet_xen",
                    "9p",
                    "brd",
                    "button",
                    "evdev",
                    "xen_wdt",
                    "loop",
                    "ext4",
                    // Which ext4 asks for by an alias, and no alias is in the archive.
                    "crc32c_generic");

    private GuestInitramfs() {}

    /// Writes the archive. Not compressed: the guest would have to decompress it.
    ///
    /// @param command a shell command to run instead of an interactive shell; the guest powers off after it
    /// @param target the file to write
    public static void write(
            LabImages images, LabImages.Kernel kernel, Optional<String> command, Path target)
            throws IOException {
        write(images, kernel, command, List.of(), target);
    }

    /// Writes the archive, with further programs in the guest's `/bin`.
    public static void write(
            LabImages images,
            LabImages.Kernel kernel,
            Optional<String> command,
            List<GuestProgram> programs,
            Path target)
            throws IOException {
        write(images, kernel, command, programs, List.of(), target);
    }

    /// Writes the archive, with further programs and modules.
    ///
    /// @param more names of modules of the kernel, which `modprobe` loads
    public static void write(
            LabImages images,
            LabImages.Kernel kernel,
            Optional<String> command,
            List<GuestProgram> programs,
            List<String> more,
            Path target)
            throws IOException {
        byte[] busybox = Files.readAllBytes(images.busybox());
        try (OutputStream out = Files.newOutputStream(target);
                CpioArchive archive = new CpioArchive(out)) {
            for (String directory : List.of("proc", "sys", "dev", "tmp", "root")) {
                archive.directory(directory);
            }
            archive.characterDevice("dev/console", 5, 1);
            archive.executable("bin/busybox", busybox)
                    .executable("init", Resource.bytes("guest-init"));
            for (String script : List.of("send", "receive")) {
                archive.executable("bin/" + script, Resource.bytes("guest-" + script));
            }
            if (command.isPresent()) {
                archive.file("exec", (command.get() + "\n").getBytes(UTF_8));
            }
            List<String> modules = new ArrayList<>(MODULES);
            modules.addAll(more);
            modules(kernel, modules, archive);
            programs(programs, archive);
        }
    }

    /// A file that several programs need is written once.
    private static void programs(List<GuestProgram> programs, CpioArchive archive)
            throws IOException {
        Map<String, Path> files = new LinkedHashMap<>();
        for (GuestProgram program : programs) {
            program.entries().forEach(entry -> files.putIfAbsent(entry.name(), entry.content()));
        }
        for (Map.Entry<String, Path> file : files.entrySet()) {
            archive.executable(file.getKey(), Files.readAllBytes(file.getValue()));
        }
    }

    private static void modules(LabImages.Kernel kernel, List<String> names, CpioArchive archive)
            throws IOException {
        String folder = "lib/modules/" + kernel.version() + "/";
        var modules = kernel.modules().withDependencies(names);
        StringBuilder dependencies = new StringBuilder();
        for (KernelModules.Module module : modules.values()) {
            archive.file(folder + module.name(), module.content().read());
            Set<String> needed = new HashSet<>();
            need(module, modules, needed);
            // As depmod writes it: all that it needs, the ones to load first at the end.
            List<String> all =
                    modules.reversed().entrySet().stream()
                            .filter(entry -> needed.contains(entry.getKey()))
                            .map(entry -> " " + entry.getValue().name())
                            .toList();
            dependencies.append(module.name()).append(':');
            all.forEach(dependencies::append);
            dependencies.append('\n');
        }
        archive.file(folder + "modules.dep", dependencies.toString().getBytes(UTF_8));
    }

    /// Adds the kernel names of all modules that a module needs, through others too.
    private static void need(
            KernelModules.Module module,
            Map<String, KernelModules.Module> modules,
            Set<String> needed) {
        for (String name : module.depends()) {
            KernelModules.Module found = modules.get(name);
            if (found != null && needed.add(name)) {
                need(found, modules, needed);
            }
        }
    }
}
