package io.xenemu.core.demo;

import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.GuestInitramfs;
import io.xenemu.core.lab.GuestProgram;
import io.xenemu.core.lab.LabImages;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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
            "Leave the shell with 'poweroff' or Ctrl-C. Exit codes are those of 'run'.",
            "With --pair, 'send FILE' in the shell sends a file to a second guest of the same service, through memory that the two"
                    + " share."
        },
        sortOptions = false,
        mixinStandardHelpOptions = true)
public final class DemoCommand implements Callable<Integer> {
    /// The exit code of `run` for a failure of the host.
    private static final int HOST_ERROR = 1;

    /// The hidden option of `run` for the second guest's initramfs.
    public static final String RECEIVER_OPTION = "--receiver";

    /// The second guest's name.
    public static final String RECEIVER = "receiver";

    /// The first guest's id: the second guest is made before it and has id 1.
    private static final String RECEIVE = "receive 2";

    private final GuestRunner runner;

    @Option(
            names = "--exec",
            paramLabel = "CMD",
            description = "Run this shell command in the guest instead of a shell, and end.")
    private @Nullable String exec;

    @Option(
            names = "--pair",
            description =
                    "Boot a second guest beside the first. It receives files by vchan. Its output is prefixed with its name.")
    private boolean pair;

    @Option(
            names = "--kernel-version",
            paramLabel = "6.12|6.1",
            defaultValue = "6.12",
            description = "Version of Debian's kernel. Default: ${DEFAULT-VALUE}.")
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

    @Option(names = "--overcommit", description = "As for 'run'.")
    private boolean overcommit;

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
        Path folder = images.cache().root().resolve("demo");
        try {
            LabImages.Kernel kernel = images.kernel(kernelVersion);
            Path temporary = Files.createTempDirectory(Files.createDirectories(folder), "run-");
            // A signal that ends the JVM while the guest runs skips the code below.
            Thread atSignal = new Thread(() -> delete(temporary), "demo-end");
            Runtime.getRuntime().addShutdownHook(atSignal);
            try {
                return runner.run(prepare(images, kernel, temporary));
            } finally {
                CacheFolder.deleteTree(temporary);
            }
        } catch (IOException e) {
            say(IoReason.of(e));
            return HOST_ERROR;
        }
    }

    /// The guest has read its files, or the lab has them. A guest that is about to open them ends anyway.
    private static void delete(Path folder) {
        try {
            CacheFolder.deleteTree(folder);
        } catch (IOException e) {
            say(IoReason.of(e));
        }
    }

    /// Writes the initramfs, or both.
    ///
    /// @return arguments of `run`
    private List<String> prepare(LabImages images, LabImages.Kernel kernel, Path folder)
            throws IOException {
        Path initramfs = folder.resolve("initramfs.cpio");
        Optional<String> command = Optional.ofNullable(exec);
        List<String> arguments = new ArrayList<>(runArguments(kernel.image(), initramfs));
        if (overcommit) {
            arguments.add("--overcommit");
        }
        if (pair) {
            List<GuestProgram> vchan = List.of(images.vchanSocketProxy());
            GuestInitramfs.write(images, kernel, command, vchan, initramfs);
            Path receiver = folder.resolve("receiver.cpio");
            GuestInitramfs.write(images, kernel, Optional.of(RECEIVE), vchan, receiver);
            arguments.addAll(List.of(RECEIVER_OPTION, receiver.toString(), "--no-reboot"));
            say("booting Linux " + kernel.version() + " as two Xen guests");
            say(
                    "'send FILE' in the shell sends a file to the other guest, into its /root/received");
        } else {
            GuestInitramfs.write(images, kernel, command, initramfs);
            say("booting Linux " + kernel.version() + " as a Xen guest");
        }
        return arguments;
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
                lab,
                "--stop-timeout",
                "0"); // its shell has nothing to save
    }

    private static void say(@Nullable String line) {
        System.err.println("xen-emu: " + line);
    }
}
