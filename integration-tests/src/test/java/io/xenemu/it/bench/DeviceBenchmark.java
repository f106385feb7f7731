package io.xenemu.it.bench;

import com.google.common.base.Splitter;
import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.GuestInitramfs;
import io.xenemu.core.lab.GuestProgram;
import io.xenemu.core.lab.LabCpus;
import io.xenemu.core.lab.LabImages;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.it.fixture.GuestPrograms;
import io.xenemu.it.fixture.LabBridge;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/// The same Linux guest with one vCPU has the same load on its disk, its network and a shared folder: with this
/// service's Xen devices, the peer's, and virtio devices of the same QEMU. The floor is the load in the lab machine
/// itself. All sides run in turn, in one machine with several CPUs, in each round. Prints medians, ratios and the CPU
/// time of the VMM outside its vCPUs' threads, as a Markdown table.
///
/// The disk is a file in memory, with the page cache on each side; the network is a tap on a bridge.
///
/// Options: `--rounds N` (3), `--seconds S` of a cell (2), `--warming S` of the same load before it (4), `--sides`
/// (`floor,ours,peer,virtio`; `driver` is a Linux driver domain), `--cells` (`disk,net,files`, or beginnings of
/// cells' names), `--compiler` of ours (`c1`, as everywhere in the lab, or `c2`). Only ratios within one run mean
/// something: an exit costs some 40 us in the lab.
public final class DeviceBenchmark {
    private static final Path CHECKOUT = Path.of("").toAbsolutePath().resolveSibling("");
    private static final int IMAGE_MIB = 256;

    /// What the program that runs a VMM prints at its end.
    private static final String GOOD_EXIT = "exit 0";

    private final Lab lab;
    private final List<DeviceCell> cells;
    private final DeviceSide.CellTime time;
    private final DeviceSide.Compiler compiler;
    private final GuestProgram load;
    private final GuestProgram watch;
    private final DeviceSamples samples = new DeviceSamples();

    private DeviceBenchmark(
            Lab lab,
            List<DeviceCell> cells,
            DeviceSide.CellTime time,
            DeviceSide.Compiler compiler,
            List<GuestProgram> all) {
        this.lab = lab;
        this.cells = cells;
        this.time = time;
        this.compiler = compiler;
        load = all.getFirst();
        watch = all.getLast();
    }

    /// Entry point; the working folder is that of this module.
    public static void main(String[] args) throws IOException, InterruptedException {
        List<String> options = Option.checked(args);
        int rounds = Integer.parseInt(Option.ROUNDS.of(options));
        List<DeviceSide> sides =
                Splitter.on(',')
                        .splitToStream(Option.SIDES.of(options))
                        .map(word -> DeviceSide.valueOf(word.toUpperCase(Locale.ROOT)))
                        .toList();
        LabImages images = new LabImages(CacheFolder.of(System.getenv()), System.err::println);
        List<GuestProgram> programs = GuestPrograms.build("device-load", "device-watch");
        try (LabMachine machine = LabMachine.boot(images, LabCpus.PARALLEL)) {
            DeviceBenchmark benchmark =
                    new DeviceBenchmark(
                            new Lab(machine, images, CHECKOUT),
                            DeviceCell.matching(Option.CELLS.of(options)),
                            new DeviceSide.CellTime(
                                    Double.parseDouble(Option.SECONDS.of(options)),
                                    Double.parseDouble(Option.WARMING.of(options))),
                            DeviceSide.Compiler.valueOf(
                                    Option.COMPILER.of(options).toUpperCase(Locale.ROOT)),
                            programs);
            benchmark.run(rounds, sides);
        }
    }

    /// The options, with their defaults.
    private enum Option {
        ROUNDS("3"),
        SECONDS("2"),
        WARMING("4"),
        SIDES("floor,ours,peer,virtio"),
        CELLS("disk,net,files"),
        COMPILER("c1");

        private final String byDefault;

        Option(String byDefault) {
            this.byDefault = byDefault;
        }

        private String word() {
            return "--" + name().toLowerCase(Locale.ROOT);
        }

        /// The value that the arguments give, or the default.
        String of(List<String> args) {
            int at = args.indexOf(word());
            return at < 0 || at + 1 == args.size() ? byDefault : args.get(at + 1);
        }

        /// @throws IllegalArgumentException for arguments that are not pairs of an option and its value
        static List<String> checked(String[] args) {
            List<String> known = Stream.of(values()).map(Option::word).toList();
            for (int i = 0; i < args.length; i += 2) {
                if (!known.contains(args[i]) || i + 1 == args.length) {
                    throw new IllegalArgumentException(args[i] + ": options are " + known);
                }
            }
            return List.of(args);
        }
    }

    private void run(int rounds, List<DeviceSide> sides) throws IOException, InterruptedException {
        LabBridge.add(lab, DeviceSide.BRIDGE, DeviceSide.HOST_IP + "/24");
        lab.shell(
                """
                mkdir -p %2$s && dd if=/dev/zero of=%1$s bs=1M count=%3$d 2>/dev/null &&
                ip tuntap add dev %5$s mode tap && ip link set %5$s master %4$s up
                """
                        .formatted(
                                DeviceSide.IMAGE,
                                DeviceSide.SHARE,
                                IMAGE_MIB,
                                DeviceSide.BRIDGE,
                                DeviceSide.TAP));
        try (RunningCommand server =
                lab.startRunning(List.of(load.file().toString(), "serve", DeviceSide.HOST_IP))) {
            server.awaitText("serving");
            for (int round = 1; round <= rounds; round++) {
                for (DeviceSide side : sides) {
                    System.err.printf("round %d of %d: %s%n", round, rounds, side.label());
                    measure(side);
                }
                // A run that is cut short is not in vain.
                System.err.print(DeviceTable.of(samples, cells));
            }
        }
        System.out.print(DeviceTable.of(samples, cells));
    }

    private void measure(DeviceSide side) throws IOException, InterruptedException {
        if (side == DeviceSide.FLOOR) {
            follow(
                    side,
                    List.of("/bin/sh", "-c", side.script(load.file().toString(), cells, time)));
            return;
        }
        if (side == DeviceSide.DRIVER) {
            String script = side.script("device-load", cells, time);
            DrivenGuest.run(lab, load, script, running -> follow(side, running));
            return;
        }
        LabImages.Kernel kernel = lab.images().kernel("6.12");
        // A new file for each: the lab's view of the host's files is cached.
        Path initramfs =
                Files.createTempFile(Path.of("target").toAbsolutePath(), "devices", ".cpio");
        try {
            GuestInitramfs.write(
                    lab.images(),
                    kernel,
                    Optional.of(side.script("device-load", cells, time)),
                    List.of(load),
                    DeviceSide.MODULES,
                    initramfs);
            follow(
                    side,
                    side.command(
                            lab.launcher(),
                            compiler,
                            lab.images().qemu(),
                            kernel.image(),
                            initramfs));
        } finally {
            Files.delete(initramfs);
        }
    }

    /// Runs a side's command, and takes its cells as they end. A side that fails leaves the rest of its cells out.
    private void follow(DeviceSide side, List<String> command)
            throws IOException, InterruptedException {
        List<String> watched = new ArrayList<>(command);
        if (side != DeviceSide.FLOOR) {
            watched.addFirst(watch.file().toString());
        }
        try (RunningCommand running = lab.startRunning(watched)) {
            follow(side, running);
            if (side == DeviceSide.OURS && !running.output().contains(GOOD_EXIT)) {
                throw new IOException("the service has failed: " + running.output());
            }
        }
    }

    private void follow(DeviceSide side, RunningCommand running)
            throws IOException, InterruptedException {
        try {
            await(side, running);
        } catch (AssertionError e) {
            System.err.println(side.label() + ": " + e.getMessage());
        }
        running.output().lines().forEach(line -> samples.add(side, line.strip()));
    }

    private void await(DeviceSide side, RunningCommand running)
            throws IOException, InterruptedException {
        for (DeviceCell cell : cells) {
            if (side.has(cell)) {
                running.awaitText("end " + cell.name() + " ");
                System.err.printf("  %s%n", cell.name());
            }
        }
        int _ = running.awaitExit();
    }
}
