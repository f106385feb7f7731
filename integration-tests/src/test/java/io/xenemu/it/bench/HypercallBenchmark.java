package io.xenemu.it.bench;

import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.LabCpus;
import io.xenemu.core.lab.LabImages;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.it.fixture.GuestRunner;
import io.xenemu.it.fixture.TestGuests;
import io.xenemu.it.fixture.Vmm;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// Runs the `bench` guest on the floor VMM, on ours and on the peer in turn, in one lab machine. Prints medians and
/// their ratios against the design's targets. Each side is warmed until its rate is flat.
///
/// Arguments, all optional: ROUNDS (each runs all three once; 5) and ITERATIONS (per sample; 2000). Ratios only: one
/// exit costs some 40 us in the lab and varies with what else the machine does.
public final class HypercallBenchmark {

    private static final int DEFAULT_ROUNDS = 5;
    private static final int DEFAULT_ITERATIONS = 2000;
    private static final int SAMPLES_PER_RUN = 5;

    /// Calls in a window of warming up, some 0.8 s. Each benchmark is warmed until its rate is flat (see the guest), so
    /// that it meets compiled code: the compiler is emulated too.
    private static final int WARMUP = 20_000;

    /// As on hardware; in the lab the launcher does without the optimizing compiler.
    private static final String COMPILER = "-XX:TieredStopAtLevel=4";

    private static final long RUN_LIMIT_SECONDS = 900;

    private HypercallBenchmark() {}

    /// Entry point; the working folder is that of this module.
    public static void main(String[] args) throws IOException, InterruptedException {
        int[] numbers =
                NumberArguments.read(
                        "hypercall-benchmark [ROUNDS [ITERATIONS]]",
                        args,
                        DEFAULT_ROUNDS,
                        DEFAULT_ITERATIONS);
        int rounds = numbers[0];
        String append =
                "iterations=%d rounds=%d warmup=%d".formatted(numbers[1], SAMPLES_PER_RUN, WARMUP);
        Path module = Path.of("").toAbsolutePath();
        TestGuests guests = TestGuests.build(module, module.resolve("target/guests"));
        Vmm floor = new Vmm.Floor(guests.floor());
        Vmm ours =
                new Vmm.Ours(
                        module.resolveSibling("xen-emu-core/bin/xen-emu"),
                        List.of(COMPILER),
                        List.of());
        LabImages images = new LabImages(CacheFolder.of(System.getenv()), System.err::println);
        Vmm peer = new Vmm.Peer(images.qemu());

        Samples floorSamples = new Samples();
        Samples ourSamples = new Samples();
        Samples peerSamples = new Samples();
        try (LabMachine machine = LabMachine.boot(images, LabCpus.PARALLEL)) {
            GuestRunner runner = new GuestRunner(machine, RUN_LIMIT_SECONDS);
            for (int round = 1; round <= rounds; round++) {
                System.err.printf("round %d of %d%n", round, rounds);
                floorSamples.add(runner.run(floor, guests.bench(), append, 1));
                ourSamples.add(runner.run(ours, guests.bench(), append, 1));
                peerSamples.add(runner.run(peer, guests.bench(), append, 1));
                // A run that is cut short is not in vain.
                System.err.print(ResultTable.of(floorSamples, ourSamples, peerSamples));
            }
        }
        warnOf("floor", floorSamples);
        warnOf("ours", ourSamples);
        warnOf("peer", peerSamples);
        System.out.print(ResultTable.of(floorSamples, ourSamples, peerSamples));
    }

    private static void warnOf(String side, Samples samples) {
        samples.unsteady()
                .forEach(name -> System.err.printf("%s: %s was not flat yet%n", side, name));
    }
}
