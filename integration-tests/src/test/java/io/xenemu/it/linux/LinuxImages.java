package io.xenemu.it.linux;

import io.xenemu.core.lab.GuestInitramfs;
import io.xenemu.core.lab.LabImages;
import io.xenemu.it.lab.Lab;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A Debian kernel with the demo's busybox, as arguments of `xen-emu run`.
final class LinuxImages {
    private LinuxImages() {}

    /// Arguments that boot the kernel.
    ///
    /// @param series `6.12` or `6.1`
    /// @param script what the guest runs before it powers off; empty for a shell on the console
    static List<String> arguments(Lab lab, String series, Optional<String> script, String... more)
            throws IOException {
        LabImages.Kernel kernel = lab.images().kernel(series);
        // A new file each time: the lab's view of the host's files is cached.
        Path folder = Files.createDirectories(Path.of("target/guests").toAbsolutePath());
        Path initramfs = Files.createTempFile(folder, "linux-", ".cpio");
        GuestInitramfs.write(lab.images(), kernel, script, initramfs);
        initramfs.toFile().deleteOnExit();
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "--kernel",
                                kernel.image().toString(),
                                "--initrd",
                                initramfs.toString(),
                                "--append",
                                "console=hvc0 panic=-1"));
        arguments.addAll(List.of(more));
        return arguments;
    }
}
