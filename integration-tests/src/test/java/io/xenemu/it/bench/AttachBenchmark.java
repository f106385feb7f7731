package io.xenemu.it.bench;

import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.LabCpus;
import io.xenemu.core.lab.LabImages;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.it.fixture.GuestRunner;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.TestGuests;
import io.xenemu.it.fixture.Vmm;
import io.xenemu.it.lab.Lab;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/// Runs the `bench` guest in a VMM of another process that a daemon serves, in our own process, and on the peer, in
/// turn, in one lab machine. Prints the ratios of medians. Each side is warmed until its rate is flat.
///
/// Arguments, all optional: ROUNDS (each runs all three once; 3) and ITERATIONS (per sample; 1000).
public final class AttachBenchmark {
    private static final int DEFAULT_ROUNDS = 3;
    private static final int DEFAULT_ITERATIONS = 1000;
    private static final int SAMPLES_PER_RUN = 5;
    private static final int WARMUP = 5000;
    private static final int METRICS_PORT = 9105;
    private static final long RUN_LIMIT_SECONDS = 900;

    /// As on hardware; in the lab the launcher does without the optimizing compiler.
    private static final String COMPILER = "-XX:TieredStopAtLevel=4";

    /// Those whose cost is a hypercall's. Each is warmed for minutes if its rate does not get flat.
    private static final List<String> NAMES = List.of("noarg", "arg", "alloc", "send");

    private AttachBenchmark() {}

    /// Entry point; the working folder is that of this module.
    public static void main(String[] args) throws IOException, InterruptedException {
        int[] numbers =
                NumberArguments.read(
                        "attach-benchmark [ROUNDS [ITERATIONS]]",
                        args,
                        DEFAULT_ROUNDS,
                        DEFAULT_ITERATIONS);
        String append =
                "iterations=%d rounds=%d warmup=%d only=%s"
                        .formatted(
                                numbers[1], SAMPLES_PER_RUN, WARMUP, String.join(" only=", NAMES));
        Path module = Path.of("").toAbsolutePath();
        Path project = Path.of("..").toAbsolutePath().normalize();
        TestGuests guests = TestGuests.build(module, module.resolve("target/guests"));
        Vmm ours =
                new Vmm.Ours(
                        project.resolve("xen-emu-core/bin/xen-emu"), List.of(COMPILER), List.of());
        LabImages images = new LabImages(CacheFolder.of(System.getenv()), System.err::println);
        Vmm peer = new Vmm.Peer(images.qemu());
        Samples attachedSamples = new Samples();
        Samples ourSamples = new Samples();
        Samples peerSamples = new Samples();
        try (LabMachine machine = LabMachine.boot(images, LabCpus.PARALLEL)) {
            Lab lab = new Lab(machine, images, project);
            GuestRunner runner = new GuestRunner(machine, RUN_LIMIT_SECONDS);
            List<String> by = List.of("/usr/bin/env", "XEN_EMU_JAVA_OPTS=" + COMPILER);
            try (LabDaemon daemon = LabDaemon.start(lab, by, "/run/attached", METRICS_PORT)) {
                Vmm attached = new Vmm.Attached(guests.vmm(), daemon.attach());
                for (int round = 1; round <= numbers[0]; round++) {
                    System.err.printf("round %d of %d%n", round, numbers[0]);
                    attachedSamples.add(runner.run(attached, guests.bench(), append, 1));
                    ourSamples.add(runner.run(ours, guests.bench(), append, 1));
                    peerSamples.add(runner.run(peer, guests.bench(), append, 1));
                    // A run that is cut short is not in vain.
                    print(attachedSamples, ourSamples, peerSamples);
                }
            }
        }
    }

    private static void print(Samples attached, Samples ours, Samples peer) {
        System.out.printf("%-10s %18s %16s%n", "", "x in process", "x peer");
        for (String name : NAMES) {
            System.out.printf(
                    Locale.ROOT,
                    "%-10s %18.2f %16.2f%n",
                    name,
                    attached.median(name) / ours.median(name),
                    attached.median(name) / peer.median(name));
        }
    }
}
