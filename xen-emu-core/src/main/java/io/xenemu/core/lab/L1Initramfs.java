package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SequencedMap;
import java.util.zip.CRC32;

/// The lab machine's initramfs: busybox, the modules for KVM, networks and the host's files, and an init. Not
/// compressed, because the emulated CPU would have to decompress it.
final class L1Initramfs {
    private static final List<String> MODULES =
            List.of(
                    "kvm-amd",
                    "9pnet_virtio",
                    "9p",
                    "virtio_net",
                    "overlay",
                    "tun",
                    "bridge",
                    "veth");

    private L1Initramfs() {}

    /// Makes the initramfs, unless the cache has it.
    static Path of(LabImages images, LabImages.Kernel kernel) throws IOException {
        byte[] init = Resource.bytes("l1-init");
        byte[] agent = Resource.bytes("l1-agent");
        CRC32 crc = new CRC32();
        crc.update(init);
        crc.update(agent);
        crc.update(String.join(" ", MODULES).getBytes(US_ASCII));
        String name = "images/l1-%s-%08x.cpio".formatted(kernel.version(), crc.getValue());
        return images.cache()
                .entry(
                        name,
                        target -> {
                            byte[] busybox = Files.readAllBytes(images.busybox());
                            write(target, init, agent, busybox, kernel.modules());
                        });
    }

    private static void write(
            Path target, byte[] init, byte[] agent, byte[] busybox, KernelModules modules)
            throws IOException {
        SequencedMap<String, KernelModules.Module> needed = modules.withDependencies(MODULES);
        StringBuilder order = new StringBuilder();
        try (OutputStream out = Files.newOutputStream(target);
                CpioArchive archive = new CpioArchive(out)) {
            for (String directory : List.of("proc", "sys", "dev", "tmp")) {
                archive.directory(directory);
            }
            // Without it the kernel has no console for init's first words.
            archive.characterDevice("dev/console", 5, 1);
            archive.executable("bin/busybox", busybox)
                    .executable("init", init)
                    .executable("agent", agent);
            for (KernelModules.Module module : needed.values()) {
                archive.file("modules/" + module.name(), module.content().read());
                order.append(module.name()).append('\n');
            }
            archive.file("modules/order", order.toString().getBytes(US_ASCII));
        }
    }
}
