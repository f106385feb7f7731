package io.xenemu.it.bench;

import com.sun.management.OperatingSystemMXBean;
import io.xenemu.core.boot.BootException;
import io.xenemu.it.fixture.TestGuests;
import io.xenemu.kvm.abi.DomId;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/// The cost that the service adds to an exit on this machine. Our exit loop runs in turn with `exits.c`, which makes
/// the same exits and does nothing about them. Prints medians of the CPU time of an exit, and the bytes that ours
/// allocates for it.
///
/// The first load is a real guest on the machine's KVM, which needs no Xen. A guest cannot make a hypercall there. For
/// the other loads KVM_RUN is a system call that returns at once, and `kvm_run` says that a hypercall was made. All
/// loads run in one JVM, so that no call is compiled for one of them alone.
///
/// Argument, optional: ROUNDS (9). Each side is warmed until its rate is flat.
public final class ExitBenchmark {
    private static final int DEFAULT_ROUNDS = 9;

    /// Windows of 0.3 s each: a load that has not become flat in 20 s is measured all the same, and named.
    private static final int MAX_WINDOWS = 60;

    /// Nanoseconds that the service may add to a hypercall with an argument in memory.
    private static final double LIMIT_NANOS = 150;

    private ExitBenchmark() {}

    /// Both sides of a load, and what they took.
    private record Pair(ExitLoad load, OurExits ours, BareExits bare, List<Round> rounds) {}

    private record Round(OurExits.Window ours, double bare) {}

    /// Entry point; the working folder is that of this module.
    public static void main(String[] args) throws IOException, InterruptedException, BootException {
        int rounds = NumberArguments.read("exit-benchmark [ROUNDS]", args, DEFAULT_ROUNDS)[0];
        Path module = Path.of("").toAbsolutePath();
        TestGuests guests = TestGuests.build(module, module.resolve("target/guests"));
        List<Pair> pairs = new ArrayList<>();
        for (ExitLoad load : ExitLoad.values()) {
            pairs.add(
                    new Pair(
                            load,
                            new OurExits(new DomId(pairs.size() + 1), load),
                            new BareExits(guests.exits(), load),
                            new ArrayList<>()));
        }
        try {
            // Twice: what one load makes the compiler throw away, another may have been flat with.
            for (int i = 0; i < 2; i++) {
                for (Pair pair : pairs) {
                    warmUp(pair.load() + ", ours", () -> pair.ours().window().nanos());
                    warmUp(pair.load() + ", C", pair.bare()::window);
                }
            }
            for (int round = 0; round < rounds; round++) {
                for (Pair pair : pairs) {
                    pair.rounds().add(new Round(pair.ours().window(), pair.bare().window()));
                }
            }
        } finally {
            for (Pair pair : pairs) {
                pair.bare().close();
                pair.ours().close();
            }
        }
        print(pairs);
    }

    private interface Window {
        double nanos() throws IOException, InterruptedException;
    }

    private static void warmUp(String side, Window window)
            throws IOException, InterruptedException {
        FlatRate rate = new FlatRate();
        for (int i = 0; i < MAX_WINDOWS && !rate.isFlat(); i++) {
            rate.add(window.nanos());
        }
        if (!rate.isFlat()) {
            System.err.printf("%s: not flat yet%n", side);
        }
    }

    private static void print(List<Pair> pairs) {
        OperatingSystemMXBean machine =
                ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        System.out.printf(
                Locale.ROOT,
                "%d CPUs, load %.1f, Java %s, %d rounds%n",
                machine.getAvailableProcessors(),
                machine.getSystemLoadAverage(),
                Runtime.version(),
                pairs.getFirst().rounds().size());
        System.out.printf(
                "%-36s %8s %8s %8s %8s%n", "ns of an exit", "ours", "C", "over C", "bytes");
        for (Pair pair : pairs) {
            List<Round> rounds = pair.rounds();
            double over =
                    Samples.median(rounds.stream().mapToDouble(r -> r.ours().nanos() - r.bare()));
            System.out.printf(
                    Locale.ROOT,
                    "%-36s %8.0f %8.0f %8.0f %8.2f%s%n",
                    pair.load().description,
                    Samples.median(rounds.stream().mapToDouble(r -> r.ours().nanos())),
                    Samples.median(rounds.stream().mapToDouble(Round::bare)),
                    over,
                    Samples.median(rounds.stream().mapToDouble(r -> r.ours().bytes())),
                    pair.load() == ExitLoad.ARGUMENT ? verdict(over) : "");
            System.out.printf(
                    "%-36s %s%n",
                    "  over C, each round",
                    IntStream.range(0, rounds.size())
                            .mapToObj(i -> rounds.get(i))
                            .map(r -> "%.0f".formatted(r.ours().nanos() - r.bare()))
                            .toList());
        }
    }

    private static String verdict(double over) {
        return "  limit %.0f: %s".formatted(LIMIT_NANOS, over <= LIMIT_NANOS ? "met" : "MISSED");
    }
}
