package io.xenemu.it.linux;

import io.xenemu.core.lab.GuestInitramfs;
import io.xenemu.core.lab.GuestProgram;
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
    /// A loaded machine leaves an emulated CPU without time for longer than the kernel by default takes for a stall.
    private static final String PATIENCE = "rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60";

    private LinuxImages() {}

    /// Arguments that boot the kernel.
    ///
    /// @param series `6.12` or `6.1`
    /// @param script what the guest runs before it powers off; empty for a shell on the console
    static List<String> arguments(Lab lab, String series, Optional<String> script, String... more)
            throws IOException {
        return arguments(lab, series, script, List.of(), more);
    }

    /// The same with further programs in the guest's `/bin`.
    ///
    /// @param programs copied with their libraries
    static List<String> arguments(
            Lab lab,
            String series,
            Optional<String> script,
            List<GuestProgram> programs,
            String... more)
            throws IOException {
        LabImages.Kernel kernel = lab.images().kernel(series);
        // A new file each time: the lab's view of the host's files is cached.
        Path folder = Files.createDirectories(Path.of("target/guests").toAbsolutePath());
        Path initramfs = Files.createTempFile(folder, "linux-", ".cpio");
        GuestInitramfs.write(lab.images(), kernel, script, programs, initramfs);
        initramfs.toFile().deleteOnExit();
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "--kernel",
                                kernel.image().toString(),
                                "--initrd",
                                initramfs.toString(),
                                "--append",
                                "console=hvc0 panic=-1 " + PATIENCE));
        arguments.addAll(List.of(more));
        return arguments;
    }
}
