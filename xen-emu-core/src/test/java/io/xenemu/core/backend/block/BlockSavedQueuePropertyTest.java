package io.xenemu.core.backend.block;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.primitives.Bytes;
import io.xenemu.core.backend.block.BlockFront.Segment;
import io.xenemu.core.backend.ring.FrontRing;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/// A queue is saved with requests in flight and another one goes on, again and again: each request is answered once,
/// and the disk has what the guest has written.
final class BlockSavedQueuePropertyTest {
    private static final int PAGES = 32;
    private static final int PAGE = 4096;
    private static final int SECTORS = PAGE / DiskStore.SECTOR;
    private static final int STEPS = 100;
    private static final int CYCLES = 8;

    /// The pages of the guest from here on have lists of segments.
    private static final int LISTS = 200;

    /// A request that was sent.
    ///
    /// @param first page of the disk, and of the guest's own memory
    /// @param expected the pages' bytes after a read; empty for others
    private record Sent(int operation, int first, int count, List<Byte> expected) {}

    @Property(tries = 30)
    void everyRequestIsAnsweredOnceOverManySaves(@ForAll long seed, @ForAll boolean is64Bit)
            throws Exception {
        new Guest(seed).run(is64Bit ? BlockAbi.X86_64 : BlockAbi.X86_32);
    }

    /// A guest and the services that have it.
    private static final class Guest {
        private final Random random;
        private final byte[] disk = new byte[PAGES * PAGE];

        /// What the guest knows the disk to have, with what it has asked for.
        private final byte[] model = new byte[PAGES * PAGE];

        private final boolean[] busy = new boolean[PAGES];
        private final Map<Long, Sent> sent = new HashMap<>();
        private MemoryStore store = new MemoryStore(disk);
        private long nextId;

        Guest(long seed) {
            random = new Random(seed);
        }

        private BlockDisk shown() {
            return new BlockDisk(store, true, true, false, DiskStore.SECTOR);
        }

        void run(BlockAbi abi) throws Exception {
            try (BlockFront front = new BlockFront(abi, shown())) {
                List<BlockQueue> old = new ArrayList<>();
                for (int cycle = 0; cycle < CYCLES; cycle++) {
                    for (int step = random.nextInt(STEPS); step > 0; step--) {
                        step(front);
                    }
                    old.add(front.queue);
                    save(front);
                }
                front.queue.resume();
                finish(front);
                assertArrayEquals(model, disk);
                old.forEach(BlockQueue::close);
            }
        }

        private void step(BlockFront front) throws Exception {
            switch (random.nextInt(5)) {
                case 0, 1 -> send(front);
                case 2 -> front.queue.run();
                case 3 -> endOne();
                default -> answers(front);
            }
        }

        private void endOne() {
            if (!store.inProgress.isEmpty()) {
                store.end(random.nextInt(store.inProgress.size()));
            }
        }

        /// A guest does not have two requests for the same place in flight, but for barriers and flushes without data.
        private void send(BlockFront front) throws Exception {
            int first = random.nextInt(PAGES);
            int count = 1;
            int most = random.nextBoolean() ? 1 : 14;
            while (count < most && first + count < PAGES && !busy[first + count]) {
                count++;
            }
            if (busy[first] || !front.ring.hasRoom()) {
                return;
            }
            int operation = random.nextInt(6);
            switch (operation) {
                case BlockFront.READ -> transfer(front, BlockFront.READ, first, count);
                case BlockFront.WRITE, BlockFront.BARRIER -> {
                    fill(front, first, operation == BlockFront.BARRIER ? 1 : count);
                    transfer(front, operation, first, operation == BlockFront.BARRIER ? 1 : count);
                }
                case BlockFront.DISCARD -> {
                    Arrays.fill(model, first * PAGE, (first + count) * PAGE, (byte) 0);
                    front.sendDiscard(nextId, 0, (long) first * SECTORS, (long) count * SECTORS);
                    sent(BlockFront.DISCARD, first, count, List.of());
                }
                default -> {
                    front.send(BlockFront.FLUSH, nextId, 0);
                    sent(BlockFront.FLUSH, 0, 0, List.of());
                }
            }
        }

        private void fill(BlockFront front, int first, int count) throws Exception {
            byte[] data = new byte[count * PAGE];
            random.nextBytes(data);
            MemorySegment.copy(
                    data, 0, pages(front, first, count), ValueLayout.JAVA_BYTE, 0, data.length);
            System.arraycopy(data, 0, model, first * PAGE, data.length);
        }

        private static MemorySegment pages(BlockFront front, int first, int count)
                throws Exception {
            return front.memory.segment(front.address(first), (long) count * PAGE);
        }

        private void transfer(BlockFront front, int operation, int first, int count)
                throws Exception {
            List<Byte> expected = List.of();
            if (operation == BlockFront.READ) {
                expected =
                        Bytes.asList(
                                Arrays.copyOfRange(model, first * PAGE, (first + count) * PAGE));
                pages(front, first, count).fill((byte) 0x5a);
            }
            long sector = (long) first * SECTORS;
            if (count == 1 || (count <= BlockAbi.MAX_SEGMENTS && random.nextBoolean())) {
                Segment[] segments = new Segment[count];
                Arrays.setAll(segments, i -> Segment.page(first + i));
                front.send(operation, nextId, sector, segments);
            } else {
                front.sendIndirect(operation, nextId, sector, LISTS + first, first, count);
            }
            sent(operation, first, count, expected);
        }

        private void sent(int operation, int first, int count, List<Byte> expected) {
            sent.put(nextId, new Sent(operation, first, count, expected));
            nextId++;
            Arrays.fill(busy, first, first + count, true);
        }

        private void answers(BlockFront front) throws Exception {
            while (front.ring.hasAnswer()) {
                BlockFront.Answer answer = front.answer();
                Sent request = sent.remove(answer.id());
                assertNotNull(request, "answered twice, or never asked for: " + answer);
                assertEquals(request.operation, answer.operation());
                assertEquals(0, answer.status());
                Arrays.fill(busy, request.first, request.first + request.count, false);
                if (request.operation == BlockFront.READ) {
                    assertEquals(
                            request.expected,
                            Bytes.asList(
                                    pages(front, request.first, request.count)
                                            .toArray(ValueLayout.JAVA_BYTE)));
                }
            }
        }

        /// The guest goes on in this service, or in another one. Of what is in flight the host may have done nothing,
        /// a part or all then, and nobody hears of it.
        private void save(BlockFront front) throws Exception {
            if (random.nextInt(3) == 0) {
                while (!front.queue.drain(Duration.ZERO)) {
                    endOne();
                }
            } else {
                front.queue.drain(Duration.ZERO);
            }
            assertTrue(front.queue.park(Duration.ZERO));
            int produced = front.ring.index(FrontRing.RSP_PROD);
            if (random.nextBoolean()) {
                endOne();
            }
            assertEquals(
                    produced,
                    front.ring.index(FrontRing.RSP_PROD),
                    "nothing is answered while it is parked");
            BlockState.Queue state = front.saved();
            assertEquals(state, front.saved(), "a save changes nothing");
            if (random.nextInt(4) == 0) {
                front.queue.resume();
                return;
            }
            while (!store.inProgress.isEmpty()) {
                if (random.nextInt(3) == 0) {
                    store.inProgress.removeFirst();
                } else {
                    store.leave(0, 1 + random.nextInt(2));
                }
            }
            store = new MemoryStore(disk);
            front.restore(state, shown());
            if (random.nextInt(4) == 0) {
                // Saved again before it has run.
                front.queue.drain(Duration.ZERO);
                assertTrue(front.queue.park(Duration.ZERO));
                assertEquals(state, front.saved());
                front.queue.resume();
            }
        }

        private void finish(BlockFront front) throws Exception {
            while (!sent.isEmpty()) {
                front.queue.run();
                endOne();
                answers(front);
            }
            assertTrue(front.queue.drain(Duration.ZERO));
            assertEquals(0, front.ring.outstanding());
        }
    }
}
