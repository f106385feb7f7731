package io.xenemu.core.backend.block;

import static io.xenemu.core.backend.block.BlockFront.READ;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.block.BlockFront.Segment;
import io.xenemu.core.backend.engine.DomainEngines;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.backend.engine.EngineQueue;
import io.xenemu.core.backend.engine.EngineSpec;
import io.xenemu.core.backend.engine.Engines;
import io.xenemu.core.backend.engine.QueueWork;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// A program that measures how long a guest's read of 4 KiB takes, one after the other, while another guest reads
/// 1 MiB after the other: without that guest, with it on the same engine, and with it on another one. Both disks are
/// files in the page cache; the front ends are in plain memory. It needs no /dev/kvm, and two CPUs:
///
/// ```
/// java --enable-native-access=ALL-UNNAMED -cp CLASSES io.xenemu.core.backend.block.DiskIsolation
/// ```
final class DiskIsolation {
    private static final int ROUNDS = 5;

    /// The time of one measurement, and the time before it that is not counted.
    private static final long NANOS = TimeUnit.MILLISECONDS.toNanos(1500);

    private static final long WARM_UP = TimeUnit.MILLISECONDS.toNanos(500);

    private static final int PAGE = 4096;
    private static final int SECTORS = 8;
    private static final int FILE_PAGES = 16384;

    /// Pages of a large request.
    private static final int LARGE = 256;

    /// The page of a large request that lists its pages.
    private static final int LIST = BlockFront.PAGES - 1;

    private static final double NANOS_PER_MICRO = 1e3;
    private static final int PERCENT = 100;
    private static final int TAIL = 99;

    /// The other guest.
    private enum Neighbour {
        NONE("alone", "block:1"),
        SAME_ENGINE("with the other guest on its engine", "block:0"),
        OTHER_ENGINE("with the other guest on another engine", "block:1");

        private final String words;
        private final String map;

        Neighbour(String words, String map) {
            this.words = words;
            this.map = map;
        }
    }

    /// Figures of one round, in ns, and the large requests of the other guest in a second.
    private record Round(long median, long tail, long large) {}

    /// The other guest, which asks for the next megabyte when it has the last one. It does so on the engine, so that it
    /// needs no CPU of its own.
    private static final class Greedy implements QueueWork {
        private final BlockFront front;
        private final SplittableRandom random = new SplittableRandom(2);
        private volatile @Nullable EngineQueue queue;
        private final AtomicLong served = new AtomicLong();

        Greedy(BlockFront front) {
            this.front = front;
        }

        @Override
        public boolean run() {
            EngineQueue own = queue;
            if (own == null) {
                return false;
            }
            while (front.ring.hasAnswer()) {
                requireGood(front);
                served.incrementAndGet();
            }
            if (front.ring.outstanding() == 0) {
                long at = random.nextInt(FILE_PAGES - LARGE);
                try {
                    front.sendIndirect(READ, 1, at * SECTORS, LIST, 0, LARGE);
                } catch (XenError e) {
                    throw new IllegalStateException(e);
                }
            }
            boolean worked = front.queue.run();
            own.signal();
            return worked;
        }
    }

    private static void requireGood(BlockFront front) {
        if (front.answer().status() != 0) {
            throw new IllegalStateException("a read has failed");
        }
    }

    private DiskIsolation() {}

    /// Runs it.
    public static void main(String[] args) throws Exception {
        Path file = Files.createTempFile(Path.of("/dev/shm"), "xen-block", ".img");
        Path other = Files.createTempFile(Path.of("/dev/shm"), "xen-block", ".img");
        try {
            for (Path each : List.of(file, other)) {
                Files.write(each, new byte[FILE_PAGES * PAGE]);
            }
            compare(file, other);
        } finally {
            Files.delete(file);
            Files.delete(other);
        }
    }

    private static void compare(Path file, Path other) throws Exception {
        Map<Neighbour, List<Round>> all = new EnumMap<>(Neighbour.class);
        for (int round = 0; round < ROUNDS; round++) {
            for (Neighbour neighbour : Neighbour.values()) {
                all.computeIfAbsent(neighbour, _ -> new ArrayList<>())
                        .add(measure(file, other, neighbour));
            }
        }
        all.forEach((neighbour, rounds) ->
                System.out.printf(
                        "%s: %.1f us a read, 99 %% within %.1f us, the other guest %d MiB/s (medians of"
                                + " %d rounds: %s)%n",
                        neighbour.words,
                        median(rounds.stream().map(Round::median).toList()) / NANOS_PER_MICRO,
                        median(rounds.stream().map(Round::tail).toList()) / NANOS_PER_MICRO,
                        median(rounds.stream().map(Round::large).toList()),
                        ROUNDS,
                        rounds));
    }

    private static long median(List<Long> values) {
        return values.stream().sorted().skip(values.size() / 2).findFirst().orElseThrow();
    }

    private static Round measure(Path file, Path other, Neighbour neighbour) throws Exception {
        List<EngineSpec> specs = List.of(EngineSpec.parse("block:0"), EngineSpec.parse("block:1"));
        List<Greedy> greedy = new ArrayList<>();
        try (Engines engines = new Engines(specs, new SimpleMeterRegistry());
                DomainEngines guest = engines.open(new DomId(1), EngineMap.parse("block:0"));
                DomainEngines second = engines.open(new DomId(2), EngineMap.parse(neighbour.map));
                EngineDisk disk = new EngineDisk(guest, file);
                EngineDisk large =
                        new EngineDisk(
                                second,
                                other,
                                front -> {
                                    greedy.add(new Greedy(front));
                                    return greedy.getFirst();
                                })) {
            if (neighbour != Neighbour.NONE) {
                greedy.getFirst().queue = large.queue;
                large.queue.signal();
            }
            Round round = reads(disk, greedy.getFirst());
            if (!disk.failures.isEmpty() || !large.failures.isEmpty()) {
                throw new IOException("failed: " + disk.failures + large.failures);
            }
            return round;
        }
    }

    private static Round reads(EngineDisk disk, Greedy other) {
        SplittableRandom random = new SplittableRandom(1);
        Thread caller = Thread.currentThread();
        disk.front.onNotify = () -> LockSupport.unpark(caller);
        List<Long> times = new ArrayList<>();
        long before = 0;
        long begin = System.nanoTime() + WARM_UP;
        long last = System.nanoTime();
        for (long id = 0; last - begin < NANOS; id++) {
            long start = last;
            disk.front.send(READ, id, (long) random.nextInt(FILE_PAGES) * SECTORS, Segment.page(0));
            disk.queue.signal();
            while (!disk.front.ring.hasAnswer()) {
                LockSupport.park(disk);
            }
            requireGood(disk.front);
            last = System.nanoTime();
            if (start - begin < 0) {
                before = other.served.get();
            } else {
                times.add(last - start);
            }
        }
        List<Long> sorted = times.stream().sorted().toList();
        return new Round(
                sorted.get(sorted.size() / 2),
                sorted.get(sorted.size() * TAIL / PERCENT),
                (other.served.get() - before) * TimeUnit.SECONDS.toNanos(1) / NANOS);
    }
}
