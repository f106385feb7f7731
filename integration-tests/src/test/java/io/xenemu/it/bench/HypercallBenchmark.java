package io.xenemu.it.bench;

import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.LabImages;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.it.guest.TestGuests;
import io.xenemu.it.guest.Vmm;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/// Runs the `bench` guest on the floor VMM, on ours and on the peer in turn, in one lab machine, and prints medians and
/// their ratios against the design's targets.
///
/// Arguments, all optional: ROUNDS (each runs all three once; 5) and ITERATIONS (per sample; 2000). Ratios only: one exit
/// costs some 40 us in the lab and varies with what else the machine does.
public final class HypercallBenchmark {

    private static final int DEFAULT_ROUNDS = 5;
    private static final int DEFAULT_ITERATIONS = 2000;
    private static final int SAMPLES_PER_RUN = 5;

    /// Before the first sample, so that it meets compiled code.
    private static final int WARMUP = 10_000;

    private static final long RUN_LIMIT_SECONDS = 900;
    private static final Map<String, String> ENVIRONMENT =
            Map.of("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", "HOME", "/root");

    private final LabMachine machine;
    private final TestGuests guests;
    private final String append;

    private HypercallBenchmark(LabMachine machine, TestGuests guests, int iterations) {
        this.machine = machine;
        this.guests = guests;
        this.append =
                "iterations=%d rounds=%d warmup=%d".formatted(iterations, SAMPLES_PER_RUN, WARMUP);
    }

    /// Entry point; the working folder is that of this module.
    public static void main(String[] args) throws IOException, InterruptedException {
        int rounds = args.length > 0 ? Integer.parseInt(args[0]) : DEFAULT_ROUNDS;
        int iterations = args.length > 1 ? Integer.parseInt(args[1]) : DEFAULT_ITERATIONS;
        Path module = Path.of("").toAbsolutePath();
        TestGuests guests = TestGuests.build(module, module.resolve("target/guests"));
        Vmm floor = new Vmm.Floor(guests.floor());
        Vmm ours = new Vmm.Ours(module.resolveSibling("xen-emu-core/bin/xen-emu"));
        Vmm peer = new Vmm.Peer();

        LabImages images = new LabImages(CacheFolder.of(System.getenv()), System.err::println);
        Samples floorSamples = new Samples();
        Samples ourSamples = new Samples();
        Samples peerSamples = new Samples();
        try (LabMachine machine = LabMachine.boot(images)) {
            HypercallBenchmark benchmark = new HypercallBenchmark(machine, guests, iterations);
            for (int round = 1; round <= rounds; round++) {
                System.err.printf("round %d of %d%n", round, rounds);
                floorSamples.add(benchmark.run(floor));
                ourSamples.add(benchmark.run(ours));
                peerSamples.add(benchmark.run(peer));
            }
        }
        System.out.print(ResultTable.of(floorSamples, ourSamples, peerSamples));
    }

    /// One run's output. The exit code is not looked at: the peer crashes when its guest powers off.
    private String run(Vmm vmm) throws IOException, InterruptedException {
        List<String> command = vmm.command(guests.bench(), append, 1);
        Process process = machine.start(command, guests.folder(), ENVIRONMENT);
        process.getOutputStream().close();
        Thread watchdog = Thread.ofVirtual().start(() -> killAfterLimit(process));
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor();
        watchdog.interrupt();
        return output;
    }

    private static void killAfterLimit(Process process) {
        try {
            if (!process.waitFor(RUN_LIMIT_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
    }
}
