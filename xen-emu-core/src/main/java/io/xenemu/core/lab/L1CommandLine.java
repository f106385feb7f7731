package io.xenemu.core.lab;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// QEMU's command line for the lab machine. The machine has an AMD CPU with SVM and nested paging in software, no
/// firmware devices, the host's files over 9p, and one forwarded port. The machine reaches nothing outside itself.
final class L1CommandLine {
    private static final int MAX_MIB = 6144;

    /// The least memory that holds a JVM and a guest.
    private static final int MIN_MIB = 1536;

    private L1CommandLine() {}

    static List<String> of(
            Path qemu, LabCpus cpus, Path kernel, Path initramfs, MachineFolder folder)
            throws IOException {
        List<String> command = new ArrayList<>(List.of(qemu.toString()));
        command.addAll(cpus.options());
        command.addAll(machine(kernel, initramfs, folder));
        return command;
    }

    private static List<String> machine(Path kernel, Path initramfs, MachineFolder folder)
            throws IOException {
        return List.of(
                "-cpu",
                "EPYC,+svm,+npt",
                "-m",
                Integer.toString(memoryMib(Files.readString(Path.of("/proc/meminfo")))),
                "-nodefaults",
                "-display",
                "none",
                "-no-reboot",
                "-qmp",
                "stdio",
                "-serial",
                "file:" + option(folder.serialLog()),
                "-kernel",
                kernel.toString(),
                "-initrd",
                initramfs.toString(),
                "-append",
                "console=ttyS0 quiet panic=-1",
                "-virtfs",
                "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
                "-virtfs",
                "local,path=%s,mount_tag=share,security_model=none,multidevs=remap"
                        .formatted(option(folder.share())),
                "-netdev",
                "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:1",
                "-device",
                "virtio-net-pci,netdev=net,romfile=");
    }

    /// Two thirds of the available memory, within bounds.
    ///
    /// @param meminfo the text of /proc/meminfo
    static int memoryMib(String meminfo) throws LabException {
        long availableKib =
                meminfo.lines()
                        .filter(line -> line.startsWith("MemAvailable:"))
                        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                        .findFirst()
                        .orElse(0);
        long mib = Math.min(MAX_MIB, availableKib / 1024 * 2 / 3);
        if (mib < MIN_MIB) {
            throw new LabException(
                    "the lab needs %d MiB of free memory, and %d MiB are available"
                            .formatted(MIN_MIB * 3 / 2, availableKib / 1024));
        }
        return Math.toIntExact(mib);
    }

    /// QEMU reads a doubled comma as a comma in a value.
    private static String option(Path path) {
        return path.toString().replace(",", ",,");
    }
}
