package io.xenemu.core.backend.block;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.FunctionCounter;
import io.xenemu.core.backend.block.BlockFront.Segment;
import io.xenemu.core.backend.ring.FrontRing;
import io.xenemu.core.toolstack.DiskAio;
import io.xenemu.core.toolstack.Refused;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/// Front ends that write anything.
class BlockHostilePropertyTest {
    private static final int ROUNDS = 60;

    /// Any bytes in the slots and in the page of indirect segments, any indices: no failure, no more work for each run
    /// than the ring has slots, every taken request ends, and no page stays mapped. With operations that end at once,
    /// or later on another thread.
    @Property(tries = 60)
    void anyBytesInTheRingHarmNobody(@ForAll long seed, @ForAll boolean wide, @ForAll boolean later)
            throws Exception {
        var random = new Random(seed);
        Path image = Files.createTempFile("xen-block", ".img");
        try (DiskStore store = open(image, later);
                BlockFront front =
                        new BlockFront(
                                wide ? BlockAbi.X86_64 : BlockAbi.X86_32,
                                new BlockDisk(store, true, random.nextBoolean(), false, 512))) {
            for (int round = 0; round < ROUNDS; round++) {
                scribble(front, random);
                front.queue.run();
            }
            assertTrue(front.queue.drain(Duration.ofSeconds(60)));
            front.assertNothingPinned();
            assertEquals(0, front.registry.get("xen.block.inflight").gauge().value());
            assertTrue(answered(front) <= 32L * ROUNDS);
            assertEquals(65536, Files.size(image));
        } finally {
            Files.delete(image);
        }
    }

    private static DiskStore open(Path image, boolean later) throws Exception {
        Files.write(image, new byte[65536]);
        try {
            return DiskOpener.raw(image, true, false, later ? DiskAio.IO_URING : DiskAio.SYNC);
        } catch (Refused e) {
            // The kernel gives none.
            assertTrue(e.reason().contains("io_uring"), e.reason());
            return FileStore.open(image, true, false);
        }
    }

    private static double answered(BlockFront front) {
        return front.registry.find("xen.block.requests").functionCounters().stream()
                .mapToDouble(FunctionCounter::count)
                .sum();
    }

    /// Half of the slots are random bytes, half are almost right requests.
    private static void scribble(BlockFront front, Random random) throws Exception {
        MemorySegment page = front.ring.page();
        byte[] bytes = new byte[4096 - 64];
        random.nextBytes(bytes);
        if (random.nextBoolean()) {
            MemorySegment.copy(bytes, 0, page, ValueLayout.JAVA_BYTE, 64, bytes.length);
            random.nextBytes(bytes);
            MemorySegment list = front.memory.segment(front.address(299), 4096);
            MemorySegment.copy(bytes, 0, list, ValueLayout.JAVA_BYTE, 0, bytes.length);
        }
        for (int i = random.nextInt(12); i > 0; i--) {
            long sector = random.nextInt(4) == 0 ? random.nextLong() : random.nextInt(130);
            int operation = random.nextInt(8);
            if (operation == 6) {
                front.sendIndirect(
                        random.nextInt(3), i, sector, 299, random.nextInt(40), random.nextInt(60));
            } else {
                front.send(operation, i, sector, segments(random));
            }
        }
        int consumed = front.ring.index(FrontRing.REQ_EVENT) - 1;
        front.ring.setIndex(FrontRing.REQ_PROD, consumed + random.nextInt(33));
        front.ring.setIndex(FrontRing.RSP_EVENT, random.nextInt());
    }

    private static Segment[] segments(Random random) {
        Segment[] segments = new Segment[random.nextInt(12)];
        Arrays.setAll(
                segments,
                i ->
                        random.nextInt(10) == 0
                                ? new Segment(
                                        random.nextInt(), random.nextInt(256), random.nextInt(9))
                                : Segment.page(random.nextInt(40)));
        return segments;
    }

    /// XSA-155: a thread changes the slots and the indirect page all the time, between valid and invalid. What was
    /// checked is what is done: nothing beyond the range that was checked is written.
    @Property(tries = 4)
    void flippingThreadCannotPassTheChecksXsa155(@ForAll long seed) throws Exception {
        var random = new Random(seed);
        Path image = Files.createTempFile("xen-block", ".img");
        Files.write(image, new byte[65536]);
        try (FileStore store = FileStore.open(image, true, false);
                BlockFront front =
                        new BlockFront(
                                BlockAbi.X86_64, new BlockDisk(store, true, false, false, 512))) {
            front.sendIndirect(1, 1, 0, 299, 0, 8);
            front.queue.run();
            front.answer();
            MemorySegment page = front.ring.page();
            MemorySegment list = front.memory.segment(front.address(299), 4096);
            var ended = new AtomicBoolean();
            Thread flipper =
                    Thread.ofPlatform()
                            .start(() -> {
                                while (!ended.get()) {
                                    flip(page, 64 + random.nextInt(4000), random);
                                    flip(list, random.nextInt(64), random);
                                }
                            });
            try {
                for (int i = 0; i < 3000; i++) {
                    if (front.ring.hasRoom()) {
                        front.sendIndirect(1, i, random.nextInt(130), 299, 0, 8);
                    }
                    front.queue.run();
                    while (front.ring.hasAnswer()) {
                        front.ring.nextAnswer();
                    }
                }
            } finally {
                ended.set(true);
                flipper.join();
            }
            assertFalse(front.broken() > 0);
            front.assertNothingPinned();
            assertEquals(65536, Files.size(image));
        } finally {
            Files.delete(image);
        }
    }

    private static void flip(MemorySegment memory, int offset, Random random) {
        memory.set(ValueLayout.JAVA_BYTE, offset, (byte) random.nextInt(16));
    }
}
