package io.xenemu.core.backend.block;

import io.xenemu.core.backend.block.BlockFront.Segment;
import io.xenemu.core.toolstack.DiskAio;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;

/// Requests in a second of a scripted front end on a file, by each way to move its bytes; run by hand:
/// `java io.xenemu.core.backend.block.DiskEngines FILE`. The file is overwritten, and has to be on a disk of interest.
///
/// The front end keeps so many requests of 4 KiB in flight as the depth says, at random places or one after the other.
/// Its thread is the engine's too. Rounds of all ways alternate; medians are printed.
public final class DiskEngines {
    private static final int PAGE = 4096;
    private static final int FILE_PAGES = 1 << 16;
    private static final int ROUNDS = 5;
    private static final long ROUND_NANOS = 300_000_000;
    private static final int SECTORS = PAGE / DiskStore.SECTOR;
    private static final int[] DEPTHS = {1, 8, 32};

    private record Way(String name, boolean direct, DiskAio aio, boolean joins) {}

    private static final List<Way> WAYS =
            List.of(
                    new Way("cached preadv", false, DiskAio.SYNC, true),
                    new Way("cached preadv, none joined", false, DiskAio.SYNC, false),
                    new Way("cached io_uring", false, DiskAio.IO_URING, true),
                    new Way("direct preadv", true, DiskAio.SYNC, true),
                    new Way("direct preadv, none joined", true, DiskAio.SYNC, false),
                    new Way("direct io_uring", true, DiskAio.IO_URING, true),
                    new Way("direct io_uring, none joined", true, DiskAio.IO_URING, false));

    private DiskEngines() {}

    /// A store whose neighbours are joined or not.
    private static final class Choosing extends ForwardingStore {
        private final boolean joins;

        Choosing(DiskStore store, boolean joins) {
            super(store);
            this.joins = joins;
        }

        @Override
        public boolean isFasterJoined() {
            return joins;
        }
    }

    public static void main(String[] args) throws Exception {
        Path path = Path.of(args[0]);
        byte[] part = new byte[1 << 20];
        try (var out = Files.newOutputStream(path)) {
            for (int i = 0; i < FILE_PAGES / 256; i++) {
                Arrays.fill(part, (byte) i);
                out.write(part);
            }
        }
        Map<String, double[]> results = new LinkedHashMap<>();
        for (int round = 0; round < ROUNDS; round++) {
            for (Way way : WAYS) {
                try (DiskStore store =
                        new Choosing(DiskOpener.raw(path, false, way.direct, way.aio), way.joins)) {
                    for (int depth : DEPTHS) {
                        for (boolean random : new boolean[] {true, false}) {
                            String cell =
                                    "%-28s %-10s depth %2d"
                                            .formatted(
                                                    way.name,
                                                    random ? "random" : "sequential",
                                                    depth);
                            double[] all = results.computeIfAbsent(cell, _ -> new double[ROUNDS]);
                            all[round] = measure(store, depth, random);
                        }
                    }
                }
            }
        }
        results.forEach((cell, all) -> {
            Arrays.sort(all);
            System.out.printf(
                    "%s: %,9.0f requests a second (%,.0f to %,.0f)%n",
                    cell, all[ROUNDS / 2], all[0], all[ROUNDS - 1]);
        });
        Files.delete(path);
    }

    private static double measure(DiskStore store, int depth, boolean isRandom) throws Exception {
        var random = new SplittableRandom(depth);
        Thread self = Thread.currentThread();
        try (BlockFront front =
                new BlockFront(
                        BlockAbi.X86_64, new BlockDisk(store, false, false, false, 512), 4)) {
            front.onNotify = () -> LockSupport.unpark(self);
            long page = random.nextInt(FILE_PAGES);
            int inFlight = 0;
            int id = 0;
            long done = 0;
            long begun = System.nanoTime();
            long end = begun + ROUND_NANOS;
            while (System.nanoTime() < end || inFlight > 0) {
                boolean more = System.nanoTime() < end;
                while (more && inFlight < depth) {
                    page = isRandom ? random.nextInt(FILE_PAGES) : (page + 1) % FILE_PAGES;
                    front.send(0, id, page * SECTORS, Segment.page(id++ % 256));
                    inFlight++;
                }
                boolean _ = front.queue.run();
                while (!front.ring.hasAnswer()) {
                    LockSupport.parkNanos(1_000_000);
                }
                while (front.ring.hasAnswer()) {
                    if (front.answer().status() != 0) {
                        throw new IllegalStateException("a read has failed");
                    }
                    inFlight--;
                    done++;
                }
            }
            return done * 1e9 / (System.nanoTime() - begun);
        }
    }
}
