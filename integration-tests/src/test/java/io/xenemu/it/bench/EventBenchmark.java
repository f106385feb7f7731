package io.xenemu.it.bench;

import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.LabImages;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.it.fixture.GuestRunner;
import io.xenemu.it.fixture.TestGuests;
import io.xenemu.it.fixture.Vmm;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/// What events cost a guest with the 2-level ABI, which KVM serves, and with the FIFO ABI, which this service serves.
/// Runs the `bench` guest with each in turn, in one lab machine. Prints medians and their ratio.
///
/// Arguments, all optional: ROUNDS (each runs both once; 3), ITERATIONS (per sample; 2000), WARMUP (calls in a window;
/// 10,000). Only the ratios mean something outside of the lab.
public final class EventBenchmark {
    private static final int ROUNDS = 3;
    private static final int ITERATIONS = 2000;
    private static final int WARMUP = 10_000;
    private static final int SAMPLES_PER_RUN = 5;
    private static final long RUN_LIMIT_SECONDS = 900;

    /// As on hardware; in the lab the launcher does without the optimizing compiler.
    private static final String COMPILER = "-XX:TieredStopAtLevel=4";

    /// A bare hypercall, as a measure of the others.
    private static final String EXIT = "noarg";

    private static final List<String> NAMES = List.of(EXIT, "send", "event", "timer");

    private EventBenchmark() {}

    /// Entry point; the working folder is that of this module.
    public static void main(String[] args) throws IOException, InterruptedException {
        int[] numbers =
                NumberArguments.read(
                        "event-benchmark [ROUNDS [ITERATIONS [WARMUP]]]",
                        args,
                        ROUNDS,
                        ITERATIONS,
                        WARMUP);
        int rounds = numbers[0];
        String append =
                "iterations=%d rounds=%d warmup=%d only=%s"
                        .formatted(
                                numbers[1],
                                SAMPLES_PER_RUN,
                                numbers[2],
                                String.join(" only=", NAMES));
        Path module = Path.of("").toAbsolutePath();
        Path guest = TestGuests.build(module, module.resolve("target/guests")).bench();
        Vmm ours =
                new Vmm.Ours(
                        module.resolveSibling("xen-emu-core/bin/xen-emu"),
                        List.of(COMPILER),
                        List.of("--evtchn", "auto"));
        Samples twoLevel = new Samples();
        Samples fifo = new Samples();
        LabImages images = new LabImages(CacheFolder.of(System.getenv()), System.err::println);
        try (LabMachine machine = LabMachine.boot(images)) {
            GuestRunner runner = new GuestRunner(machine, RUN_LIMIT_SECONDS);
            for (int round = 1; round <= rounds; round++) {
                twoLevel.add(runner.run(ours, guest, append, 1));
                fifo.add(runner.run(ours, guest, append + " abi=fifo", 1));
                System.err.printf(
                        "after round %d of %d:%n%s", round, rounds, table(twoLevel, fifo));
            }
        }
        System.out.printf("not flat: 2-level %s, FIFO %s%n", twoLevel.unsteady(), fifo.unsteady());
        System.out.print(table(twoLevel, fifo));
    }

    private static String table(Samples twoLevel, Samples fifo) {
        StringBuilder table = new StringBuilder();
        table.append(
                String.format(Locale.ROOT, "%-8s %10s %10s %8s%n", "", "2-level", "FIFO", "ratio"));
        for (String name : NAMES) {
            double before = twoLevel.median(name) / twoLevel.median(EXIT);
            double after = fifo.median(name) / fifo.median(EXIT);
            table.append(
                    String.format(
                            Locale.ROOT,
                            "%-8s %10.2f %10.2f %8.2f%n",
                            name,
                            before,
                            after,
                            fifo.median(name) / twoLevel.median(name)));
        }
        return table.append(
                        String.format(
                                Locale.ROOT,
                                "in multiples of %s, of %.0f and %.0f ticks%n",
                                EXIT,
                                twoLevel.median(EXIT),
                                fifo.median(EXIT)))
                .toString();
    }
}
