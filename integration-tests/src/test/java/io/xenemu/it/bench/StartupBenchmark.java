package io.xenemu.it.bench;

import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.GuestInitramfs;
import io.xenemu.core.lab.LabCpus;
import io.xenemu.core.lab.LabImages;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.it.fixture.GuestRunner;
import io.xenemu.it.fixture.Vmm;
import io.xenemu.it.lab.Lab;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/// Boots Debian's 6.12 with 2 vCPUs on ours and on the peer in turn, in one lab machine. Prints the time from the
/// command to the guest's process 1, and the memory beside the guest's RAM when it idles then. Last comes the memory of
/// one daemon with several guests. Argument, optional: ROUNDS (3). With `--stages [ROUNDS (3)]` it prints where the
/// time to process 1 goes: see [StartupStages]. With `--against CHECKOUT [ROUNDS (9)]` it compares starts with those of
/// another checkout, natively: see [StartsCompared]; with `--daemon-against CHECKOUT [ROUNDS (5)]` a daemon's in the
/// lab.
public final class StartupBenchmark {
    private static final int DEFAULT_ROUNDS = 3;
    private static final int COMPARED_ROUNDS = 9;
    private static final int DAEMON_ROUNDS = 5;
    private static final int GUEST_MIB = 512;
    private static final Path CHECKOUT = Path.of("").toAbsolutePath().resolveSibling("");
    private static final String REACHED = "process 1 is there";

    /// One measurement.
    ///
    /// @param seconds from the command to the guest's process 1
    /// @param mib beside the guest's RAM
    private record Result(double seconds, double mib) {}

    private StartupBenchmark() {}

    /// Entry point; the working folder is that of this module.
    public static void main(String[] args) throws IOException, InterruptedException {
        if (args.length > 1 && args[0].equals("--against")) {
            StartsCompared.run(Path.of(args[1]), rounds(args, 2, COMPARED_ROUNDS));
            return;
        }
        LabImages images = new LabImages(CacheFolder.of(System.getenv()), System.err::println);
        if (args.length > 1 && args[0].equals("--daemon-against")) {
            try (LabMachine machine = LabMachine.boot(images, LabCpus.PARALLEL)) {
                Path there = Path.of(args[1]).toRealPath();
                DaemonStarts.compare(machine, there, CHECKOUT, rounds(args, 2, DAEMON_ROUNDS));
            }
            return;
        }
        if (args.length > 0 && args[0].equals("--stages")) {
            besidePeer(images, rounds(args, 1, DEFAULT_ROUNDS), true);
            return;
        }
        besidePeer(images, rounds(args, 0, DEFAULT_ROUNDS), false);
    }

    private static int rounds(String[] args, int at, int otherwise) {
        return args.length > at ? Integer.parseInt(args[at]) : otherwise;
    }

    private static void besidePeer(LabImages images, int rounds, boolean stages)
            throws IOException, InterruptedException {
        LabImages.Kernel kernel = images.kernel("6.12");
        Path initramfs =
                Files.createTempFile(Path.of("target").toAbsolutePath(), "startup", ".cpio");
        String command =
                stages ? StartupStages.guestCommand(REACHED) : "echo " + REACHED + "; sleep 1000";
        GuestInitramfs.write(images, kernel, Optional.of(command), initramfs);
        List<String> ours = ours(kernel.image(), initramfs);
        List<String> peer = peer(images.qemu(), kernel.image(), initramfs);
        List<Result> ourResults = new ArrayList<>();
        List<Result> peerResults = new ArrayList<>();
        try (LabMachine machine = LabMachine.boot(images, LabCpus.PARALLEL)) {
            if (stages) {
                for (int round = 1; round <= rounds; round++) {
                    StartupStages.measure(machine, ours, peer);
                }
                return;
            }
            for (int round = 1; round <= rounds; round++) {
                System.err.printf("round %d of %d%n", round, rounds);
                ourResults.add(measure(machine, ours, "[c]li.XenEmu run"));
                peerResults.add(measure(machine, peer, "[a]ccel kvm,xen-version"));
            }
            print(
                    "command to the guest's process 1",
                    "s",
                    ourResults,
                    peerResults,
                    Result::seconds);
            print("memory beside guest RAM", "MiB", ourResults, peerResults, Result::mib);
            GuestsOfOneDaemon.measure(new Lab(machine, images, CHECKOUT));
        } finally {
            Files.delete(initramfs);
        }
    }

    private static List<String> ours(Path kernel, Path initramfs) {
        Path launcher = CHECKOUT.resolve("xen-emu-core/bin/xen-emu");
        return List.of(
                launcher.toString(),
                "run",
                "--lab",
                "never",
                "--vcpus",
                "2",
                "--memory",
                GUEST_MIB + "M",
                "--kernel",
                kernel.toString(),
                "--initrd",
                initramfs.toString(),
                "--append",
                "console=hvc0 quiet");
    }

    private static List<String> peer(Path qemu, Path kernel, Path initramfs) {
        return List.of(
                qemu.toString(),
                "-accel",
                Vmm.PEER_ACCELERATOR,
                "-cpu",
                "host",
                "-smp",
                "2",
                "-m",
                Integer.toString(GUEST_MIB),
                "-display",
                "none",
                "-serial",
                "null",
                "-chardev",
                "stdio,id=console",
                "-device",
                "xen-console,chardev=console",
                "-no-reboot",
                "-kernel",
                kernel.toString(),
                "-initrd",
                initramfs.toString(),
                "-append",
                "console=hvc0 quiet");
    }

    private static Result measure(LabMachine machine, List<String> command, String pattern)
            throws IOException, InterruptedException {
        long start = System.nanoTime();
        Process process =
                machine.start(command, Path.of("").toAbsolutePath(), GuestRunner.ENVIRONMENT);
        Thread messages =
                Thread.ofVirtual()
                        .start(() -> process.errorReader().lines().forEach(System.err::println));
        try {
            awaitProcess1(process);
            double seconds = (System.nanoTime() - start) / 1e9;
            return new Result(seconds, MemoryBesideGuests.mib(machine, pattern, GUEST_MIB));
        } finally {
            process.destroyForcibly().waitFor();
            messages.join();
        }
    }

    private static void awaitProcess1(Process process) throws IOException {
        BufferedReader output =
                new BufferedReader(
                        new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        String line = output.readLine();
        while (line != null && !line.contains(REACHED)) {
            line = output.readLine();
        }
        if (line == null) {
            throw new IOException("the guest did not come up");
        }
    }

    private interface Value {
        double of(Result result);
    }

    private static void print(
            String what, String unit, List<Result> ours, List<Result> peer, Value value) {
        double our = Samples.median(ours.stream().mapToDouble(value::of));
        double theirs = Samples.median(peer.stream().mapToDouble(value::of));
        System.out.printf(
                Locale.ROOT,
                "%-34s ours %7.2f %-3s  peer %7.2f %-3s  ratio %.2f%n",
                what,
                our,
                unit,
                theirs,
                unit,
                our / theirs);
    }
}
