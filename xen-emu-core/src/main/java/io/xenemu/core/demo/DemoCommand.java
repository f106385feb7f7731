package io.xenemu.core.demo;

import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.GuestInitramfs;
import io.xenemu.core.lab.LabImages;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `xen-emu demo`.
@Command(
        name = "demo",
        description = {
            "Boot a Debian kernel as a Xen guest, with a shell on the Xen console. Fetches what it needs.",
            "Leave the shell with 'poweroff' or Ctrl-C. Exit codes are those of 'run'."
        },
        sortOptions = false,
        mixinStandardHelpOptions = true)
public final class DemoCommand implements Callable<Integer> {
    /// As `run` has it for a failure of the host.
    private static final int HOST_ERROR = 1;

    private final GuestRunner runner;

    @Option(
            names = "--exec",
            paramLabel = "CMD",
            description = "Run this shell command in the guest in place of a shell, and end.")
    private @Nullable String exec;

    @Option(
            names = "--kernel-version",
            paramLabel = "6.12|6.1",
            defaultValue = "6.12",
            description = "Which of Debian's kernels. Default: ${DEFAULT-VALUE}.")
    private String kernelVersion = "";

    @Option(
            names = "--vcpus",
            paramLabel = "N",
            defaultValue = "2",
            description = "As for 'run'. Default: ${DEFAULT-VALUE}.")
    private String vcpus = "";

    @Option(
            names = "--memory",
            paramLabel = "SIZE",
            defaultValue = "512M",
            description = "As for 'run'. Default: ${DEFAULT-VALUE}.")
    private String memory = "";

    @Option(
            names = "--lab",
            paramLabel = "auto|always|never",
            defaultValue = "auto",
            description = "As for 'run'. Default: ${DEFAULT-VALUE}.")
    private String lab = "";

    /// The command with nothing parsed yet.
    ///
    /// @param runner runs the guest
    public DemoCommand(GuestRunner runner) {
        this.runner = runner;
    }

    @Override
    public Integer call() {
        LabImages images = new LabImages(CacheFolder.of(System.getenv()), DemoCommand::say);
        try {
            LabImages.Kernel kernel = images.kernel(kernelVersion);
            Path folder = Files.createDirectories(images.cache().root().resolve("demo"));
            Path initramfs = Files.createTempFile(folder, "initramfs-", ".cpio");
            try {
                GuestInitramfs.write(images, kernel, Optional.ofNullable(exec), initramfs);
                say("booting Linux " + kernel.version() + " as a Xen guest");
                return runner.run(runArguments(kernel.image(), initramfs));
            } finally {
                Files.deleteIfExists(initramfs);
            }
        } catch (IOException e) {
            say(e.getMessage());
            return HOST_ERROR;
        }
    }

    private List<String> runArguments(Path kernel, Path initramfs) {
        return List.of(
                "--kernel",
                kernel.toString(),
                "--initrd",
                initramfs.toString(),
                "--append",
                "console=hvc0 quiet loglevel=2 panic=-1",
                "--name",
                "demo",
                "--vcpus",
                vcpus,
                "--memory",
                memory,
                "--lab",
                lab);
    }

    private static void say(@Nullable String line) {
        System.err.println("xen-emu: " + line);
    }
}
