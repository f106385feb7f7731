package io.xenemu.it.bench;

import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.LabCpus;
import io.xenemu.core.lab.LabImages;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// Saves, checkpoints and restores of a Linux guest from end to end, in the lab, by the service's own meters: for how
/// long a checkpoint's guest stands still beside a whole save, and when a guest runs that is restored lazily beside a
/// whole restore. Files are in the lab machine's memory.
///
/// Arguments, optional: MIB of the guest's memory (512), MIB of files in it (192), ROUNDS (5).
public final class SavesOfLinux {
    private static final String NAME = "measured";
    private static final String FILE = "/run/measured.saved";
    private static final int METRICS_PORT = 9102;
    private static final String SAVE = "xen_save_duration_seconds_sum";
    private static final String RESTORE = "xen_restore_duration_seconds_sum";
    private static final String PAUSE = "xen_save_pause_seconds_sum";

    private final LabDaemon daemon;
    private final Map<String, List<Double>> times = new TreeMap<>();

    private SavesOfLinux(LabDaemon daemon) {
        this.daemon = daemon;
    }

    /// Entry point; the working folder is that of this module.
    public static void main(String[] args) throws IOException, InterruptedException {
        int memory = args.length > 0 ? Integer.parseInt(args[0]) : 512;
        int files = args.length > 1 ? Integer.parseInt(args[1]) : 192;
        int rounds = args.length > 2 ? Integer.parseInt(args[2]) : 5;
        LabImages images = new LabImages(CacheFolder.of(System.getenv()), System.err::println);
        try (LabMachine machine = LabMachine.boot(images, LabCpus.PARALLEL)) {
            Lab lab = new Lab(machine, images, Path.of("..").toAbsolutePath().normalize());
            try (LabDaemon daemon = LabDaemon.start(lab, "/run/measured-daemon", METRICS_PORT)) {
                List<String> options =
                        LinuxImages.arguments(
                                lab, "6.12", Optional.empty(), "--memory", memory + "M");
                SavesOfLinux benchmark = new SavesOfLinux(daemon);
                try (LabGuest guest = daemon.boot(NAME, options)) {
                    guest.shell().awaitBoot();
                    guest.shell()
                            .run(
                                    "for i in $(seq %d); do head -c 1M /bin/busybox >/tmp/$i; done"
                                            .formatted(files));
                    // The first round warms the JVM, and is not counted.
                    for (int round = 0; round <= rounds; round++) {
                        benchmark.round();
                        if (round == 0) {
                            benchmark.times.clear();
                        }
                    }
                }
                benchmark.print();
            }
        }
    }

    private void round() throws IOException, InterruptedException {
        measure("pause of a checkpoint", PAUSE, "save " + NAME + " " + FILE + " checkpoint");
        measure("save", SAVE, "save " + NAME + " " + FILE);
        measure("restore", RESTORE, "restore " + FILE);
        measure("save", SAVE, "save " + NAME + " " + FILE);
        measure("lazy restore, until the guest runs", RESTORE, "restore " + FILE + " lazy");
        try (RunningCommand console = daemon.console(NAME)) {
            console.type("echo $((6 * 7)) runs\n");
            console.awaitText("42 runs");
        }
    }

    private void measure(String what, String meter, String request)
            throws IOException, InterruptedException {
        double before = Meters.value(daemon, meter);
        String reply = daemon.ask(request);
        if (!reply.endsWith("ok\n")) {
            throw new IOException(request + ": " + reply);
        }
        times.computeIfAbsent(what, _ -> new ArrayList<>())
                .add(Meters.value(daemon, meter) - before);
    }

    private void print() {
        times.forEach((what, all) -> {
            double median = Samples.median(all.stream().mapToDouble(Double::doubleValue));
            System.out.printf(Locale.ROOT, "%-36s %8.3f s %s%n", what, median, all);
        });
    }
}
