package io.xenemu.core.backend.block;

import static io.xenemu.core.backend.block.BlockFront.WRITE;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.block.BlockFront.Answer;
import io.xenemu.core.backend.block.BlockFront.Segment;
import io.xenemu.core.backend.engine.DomainEngines;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.backend.engine.EngineSpec;
import io.xenemu.core.backend.engine.Engines;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.FutureTask;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Disks in real files, whose guests' maps of engines change while they write.
@Timeout(120)
final class EngineMoveDiskTest {
    private static final int PAGE = 4096;
    private static final int SECTORS = 8;

    /// Few, so that writes of one batch often go to the same page: the last one has to win.
    private static final int FILE_PAGES = 24;

    private static final int GUESTS = 2;
    private static final int BATCHES = 1500;
    private static final int DEPTH = 32;
    private static final long BETWEEN_CHANGES = 50_000;

    private static final List<String> MAPS =
            List.of("default", "block:0", "block:1", "block:2,block:1", "block:1,-,block:0");

    @TempDir Path folder;

    private Path image(int number) throws Exception {
        return Files.write(folder.resolve("disk" + number), new byte[FILE_PAGES * PAGE]);
    }

    /// Writes batches, and checks that each request is answered once and in order.
    ///
    /// @return the bytes that the disk has to have
    private static byte[] write(EngineDisk disk, long seed) throws XenError {
        SplittableRandom random = new SplittableRandom(seed);
        byte[] expected = new byte[FILE_PAGES * PAGE];
        long sent = 0;
        long answered = 0;
        for (int batch = 0; batch < BATCHES; batch++) {
            int count = random.nextInt(1, DEPTH + 1);
            for (int i = 0; i < count; i++) {
                int at = random.nextInt(FILE_PAGES);
                int value = random.nextInt(256);
                disk.front.fill(i, value);
                Arrays.fill(expected, at * PAGE, (at + 1) * PAGE, (byte) value);
                disk.front.send(WRITE, sent++, (long) at * SECTORS, Segment.page(i));
                if (i % 5 == 0) {
                    disk.queue.signal();
                }
            }
            disk.queue.signal();
            while (answered < sent) {
                if (disk.front.ring.hasAnswer()) {
                    assertEquals(new Answer(answered++, WRITE, 0), disk.front.answer());
                } else {
                    Thread.onSpinWait();
                }
            }
        }
        assertTrue(!disk.front.ring.hasAnswer(), "an answer too many");
        return expected;
    }

    @Test
    void changesOfTheMapLoseDoubleAndReorderNoWrite() throws Exception {
        List<EngineSpec> specs =
                List.of(
                        EngineSpec.parse("block:0"),
                        EngineSpec.parse("block:1"),
                        EngineSpec.parse("block:2"));
        try (Engines engines = new Engines(specs, new SimpleMeterRegistry())) {
            List<DomainEngines> guests = new ArrayList<>();
            List<EngineDisk> disks = new ArrayList<>();
            List<FutureTask<byte[]>> writers = new ArrayList<>();
            for (int i = 0; i < GUESTS; i++) {
                DomainEngines guest = engines.open(new DomId(1 + i), EngineMap.DEFAULT);
                EngineDisk disk = new EngineDisk(guest, image(i));
                long seed = i;
                FutureTask<byte[]> writer = new FutureTask<>(() -> write(disk, seed));
                guests.add(guest);
                disks.add(disk);
                writers.add(writer);
                Thread _ = Thread.ofPlatform().start(writer);
            }
            int changes = 0;
            while (!writers.stream().allMatch(FutureTask::isDone)) {
                EngineMap map = EngineMap.parse(MAPS.get(changes % MAPS.size()));
                guests.get(changes++ % GUESTS).set(map);
                LockSupport.parkNanos(BETWEEN_CHANGES);
            }
            for (int i = 0; i < GUESTS; i++) {
                byte[] expected = writers.get(i).get();
                disks.get(i).close();
                assertArrayEquals(expected, Files.readAllBytes(folder.resolve("disk" + i)));
                assertEquals(List.of(), disks.get(i).failures);
                guests.get(i).close();
            }
            assertTrue(changes > BATCHES / 100, "the map has changed " + changes + " times");
        }
    }
}
