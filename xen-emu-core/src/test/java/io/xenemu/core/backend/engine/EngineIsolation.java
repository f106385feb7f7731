package io.xenemu.core.backend.engine;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// A program that measures how long a guest's request takes, from its signal to its answer: alone, beside a guest that
/// keeps the same engine busy, and beside that guest on another engine. Two CPUs are enough. It needs no /dev/kvm:
///
/// ```
/// java --enable-native-access=ALL-UNNAMED -cp CLASSES io.xenemu.core.backend.engine.EngineIsolation
/// ```
final class EngineIsolation {
    private static final int ROUNDS = 5;
    private static final int REQUESTS = 3000;

    /// The first requests, which are not counted.
    private static final int WARM_UP = 1000;

    /// Each of the busy guest's requests takes so long, as one of some hundred KiB.
    private static final long BUSY_NANOS = TimeUnit.MICROSECONDS.toNanos(200);

    private static final double NANOS_PER_MICRO = 1e3;

    /// The other guest.
    private enum Neighbour {
        NONE("alone", ""),
        SAME_ENGINE("beside a busy guest on the same engine", "block:0"),
        OTHER_ENGINE("beside a busy guest on another engine", "block:1");

        private final String words;
        private final String map;

        Neighbour(String words, String map) {
            this.words = words;
            this.map = map;
        }
    }

    private final Thread caller = Thread.currentThread();
    private volatile long sent;
    private volatile long answered;
    private volatile @Nullable EngineQueue busy;

    private EngineIsolation() {}

    /// Runs it.
    public static void main(String[] args) throws XenError {
        Map<Neighbour, List<Long>> medians = new EnumMap<>(Neighbour.class);
        for (int round = 0; round < ROUNDS; round++) {
            for (Neighbour neighbour : Neighbour.values()) {
                long median = new EngineIsolation().measure(neighbour);
                medians.computeIfAbsent(neighbour, _ -> new ArrayList<>()).add(median);
            }
        }
        medians.forEach((neighbour, times) ->
                System.out.printf(
                        "%s: %.1f us a request (median of %d rounds: %s ns)%n",
                        neighbour.words, median(times) / NANOS_PER_MICRO, ROUNDS, times));
    }

    private static long median(List<Long> times) {
        return times.stream().sorted().skip(times.size() / 2).findFirst().orElseThrow();
    }

    private long measure(Neighbour neighbour) throws XenError {
        List<EngineSpec> specs = List.of(EngineSpec.parse("block:0"), EngineSpec.parse("block:1"));
        try (Engines engines = new Engines(specs, new SimpleMeterRegistry());
                DomainEngines guest = engines.open(new DomId(1), EngineMap.parse("block:0"));
                DomainEngines other = engines.open(new DomId(2), EngineMap.parse(neighbour.map));
                EngineQueue queue = queue(guest, this::answer);
                EngineQueue second =
                        queue(other, neighbour == Neighbour.NONE ? () -> false : this::work)) {
            busy = second;
            queue.release();
            second.release();
            List<Long> times = new ArrayList<>();
            for (int i = 0; i < WARM_UP + REQUESTS; i++) {
                long time = request(queue);
                if (i >= WARM_UP) {
                    times.add(time);
                }
            }
            return median(times);
        }
    }

    private static EngineQueue queue(DomainEngines of, QueueWork work) {
        return of.add(EngineClass.BLOCK, "vbd-51712", 0, work, Throwable::printStackTrace);
    }

    private boolean work() {
        long end = System.nanoTime() + BUSY_NANOS;
        while (System.nanoTime() - end < 0) {
            Thread.onSpinWait();
        }
        Objects.requireNonNull(busy).signal();
        return true;
    }

    private boolean answer() {
        if (answered == sent) {
            return false;
        }
        answered = sent;
        LockSupport.unpark(caller);
        return true;
    }

    private long request(EngineQueue queue) {
        long start = System.nanoTime();
        long mine = answered + 1;
        sent = mine;
        queue.signal();
        while (answered != mine) {
            LockSupport.park(this);
        }
        return System.nanoTime() - start;
    }
}
