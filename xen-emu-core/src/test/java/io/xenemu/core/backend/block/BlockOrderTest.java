package io.xenemu.core.backend.block;

import static io.xenemu.core.backend.block.BlockFront.BARRIER;
import static io.xenemu.core.backend.block.BlockFront.FLUSH;
import static io.xenemu.core.backend.block.BlockFront.READ;
import static io.xenemu.core.backend.block.BlockFront.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.block.BlockFront.Answer;
import io.xenemu.core.backend.block.BlockFront.Segment;
import io.xenemu.core.toolstack.DiskRates;
import io.xenemu.kvm.abi.Errno;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// The order in which a store that completes later is asked, and in which the guest is answered.
class BlockOrderTest {
    private final SlowStore store = new SlowStore();
    private BlockFront front;

    @BeforeEach
    void open() throws Exception {
        front = new BlockFront(BlockAbi.X86_64, new BlockDisk(store, true, true, false, 512), 4);
    }

    @AfterEach
    void close() throws Exception {
        while (!store.submitted.isEmpty()) {
            store.complete(0, 0);
        }
        front.assertNothingPinned();
        front.close();
    }

    @Test
    void answersComeInTheOrderOfCompletions() throws Exception {
        for (int i = 0; i < 3; i++) {
            front.send(READ, i, 0, Segment.page(i));
        }
        assertTrue(front.queue.run());
        assertFalse(front.ring.hasAnswer());
        assertTrue(front.isPinned(BlockFront.FIRST_REF + 2));
        store.complete(2, 0);
        assertFalse(front.isPinned(BlockFront.FIRST_REF + 2), "before the guest sees the answer");
        assertEquals(new Answer(2, READ, 0), front.answer());
        store.complete(0, Errno.EIO);
        assertEquals(new Answer(0, READ, -1), front.answer());
        store.complete(0, Errno.EOPNOTSUPP);
        assertEquals(new Answer(1, READ, -1), front.answer());
        assertEquals(3, front.notified());
        assertEquals(List.of("READ EIO"), front.failures);
    }

    @Test
    void flushIsAnsweredAfterTheStoreHasFlushed() {
        front.send(FLUSH, 1, 0);
        front.queue.run();
        assertEquals(List.of(DiskOp.FLUSH), store.log);
        assertFalse(front.ring.hasAnswer());
        store.complete(0, 0);
        assertEquals(new Answer(1, FLUSH, 0), front.answer());
        front.send(FLUSH, 2, 0);
        front.queue.run();
        store.complete(0, Errno.ENOSPC);
        assertEquals(new Answer(2, FLUSH, -1), front.answer());
        front.send(FLUSH, 3, 0);
        front.queue.run();
        store.complete(0, Errno.EOPNOTSUPP);
        assertEquals(new Answer(3, FLUSH, -2), front.answer());
    }

    @Test
    void flushWithDataFlushesFirst() {
        front.send(FLUSH, 1, 0, Segment.page(0));
        front.queue.run();
        store.complete(0, 0);
        store.complete(0, 0);
        assertEquals(List.of(DiskOp.FLUSH, DiskOp.WRITE), store.log);
        assertEquals(new Answer(1, FLUSH, 0), front.answer());
    }

    @Test
    void flushThatFailsWritesNothing() {
        front.send(FLUSH, 1, 0, Segment.page(0));
        front.queue.run();
        store.complete(0, Errno.EIO);
        assertEquals(List.of(DiskOp.FLUSH), store.log);
        assertEquals(new Answer(1, FLUSH, -1), front.answer());
    }

    @Test
    void barrierWaitsForTheOnesBeforeItAndKeepsBackTheOnesAfter() {
        front.send(WRITE, 1, 0, Segment.page(0));
        front.send(WRITE, 2, 8, Segment.page(1));
        front.send(BARRIER, 3, 16, Segment.page(2));
        front.send(WRITE, 4, 24, Segment.page(3));
        front.queue.run();
        assertEquals(List.of(DiskOp.WRITE, DiskOp.WRITE), store.log);
        store.complete(0, 0);
        assertEquals(2, store.log.size());
        store.complete(0, 0);
        assertEquals(DiskOp.FLUSH, store.log.getLast());
        front.queue.run();
        assertEquals(3, store.log.size());
        store.complete(0, 0);
        assertEquals(DiskOp.WRITE, store.log.getLast());
        store.complete(0, 0);
        assertEquals(DiskOp.FLUSH, store.log.getLast());
        front.queue.run();
        assertEquals(5, store.log.size());
        int woken = front.woken();
        store.complete(0, 0);
        assertEquals(woken + 1, front.woken(), "so that the last request is taken");
        front.queue.run();
        assertEquals(6, store.log.size());
        store.complete(0, 0);
        for (int i = 1; i <= 4; i++) {
            assertEquals(i, front.answer().id());
        }
    }

    @Test
    void barrierThatCannotBeMappedLetsTheOthersGoOn() throws Exception {
        front.send(WRITE, 1, 0, Segment.page(0));
        front.send(BARRIER, 2, 16, new Segment(-5, 0, 7));
        front.send(WRITE, 3, 24, Segment.page(3));
        front.queue.run();
        store.complete(0, 0);
        assertEquals(new Answer(1, WRITE, 0), front.answer());
        assertEquals(new Answer(2, BARRIER, -1), front.answer());
        front.queue.run();
        store.complete(0, 0);
        assertEquals(new Answer(3, WRITE, 0), front.answer());
    }

    @Test
    void requestsInFlightAreLimitedAndTheRestIsTakenLater() {
        for (int i = 0; i < 100; i++) {
            front.send(READ, i, 0, Segment.page(i));
        }
        front.queue.run();
        assertEquals(64, store.submitted.size());
        assertFalse(front.queue.run());
        store.complete(0, 0);
        assertEquals(1, front.woken());
        front.queue.run();
        assertEquals(64, store.submitted.size());
    }

    @Test
    void drainedQueueTakesNothingUntilItIsResumed() throws Exception {
        front.send(READ, 1, 0, Segment.page(0));
        front.queue.run();
        front.send(READ, 2, 0, Segment.page(1));
        assertFalse(front.queue.drain(Duration.ofMillis(1)), "one is in flight");
        assertFalse(front.queue.run());
        store.complete(0, 0);
        assertTrue(front.queue.drain(Duration.ZERO));
        assertEquals(new Answer(1, READ, 0), front.answer());
        front.queue.resume();
        assertEquals(1, front.woken());
        assertTrue(front.queue.run());
        store.complete(0, 0);
        assertEquals(new Answer(2, READ, 0), front.answer());
    }

    @Test
    void drainWaitsForCompletionsOnOtherThreads() throws Exception {
        front.send(READ, 1, 0, Segment.page(0));
        front.queue.run();
        Thread completer = Thread.ofPlatform().start(() -> store.complete(0, 0));
        assertTrue(front.queue.drain(Duration.ofSeconds(60)));
        completer.join();
        assertEquals(new Answer(1, READ, 0), front.answer());
    }

    /// A request and a second's worth at the start; the next has to wait.
    @Test
    void requestsBeyondTheLimitWaitInTheRing() throws Exception {
        front.close();
        front =
                new BlockFront(
                        BlockAbi.X86_64,
                        new BlockDisk(store, true, true, false, 512),
                        4,
                        new DiskRates(1, 0));
        for (int i = 0; i < 10; i++) {
            front.send(READ, i, 0, Segment.page(i));
        }
        front.queue.run();
        int taken = store.submitted.size();
        assertTrue(taken >= 2 && taken < 10, taken + " are let in at once");
        assertEquals(1, front.pauses.size());
        front.queue.run();
        assertEquals(1, front.pauses.size(), "one wake-up is due");
        assertTrue(front.pauses.getFirst() <= 1_000_000_000);
        assertEquals(0, front.woken());
        while (!store.submitted.isEmpty()) {
            store.complete(0, 0);
        }
        assertTrue(front.queue.drain(Duration.ZERO), "those in the ring are not in flight");
    }

    @Test
    void diskThatGrewTakesRequestsBeyondItsOldEnd() {
        store.bytes = 4096;
        front.send(READ, 1, 8, Segment.page(0));
        front.queue.run();
        assertEquals(new Answer(1, READ, -1), front.answer());
        store.bytes = 8192;
        front.send(READ, 1, 8, Segment.page(0));
        front.queue.run();
        assertEquals(4096, store.submitted.getFirst().offset());
    }

    @Test
    void guestThatAlternatesWritesAndFlushesHoldsTheEngineForOneTurnOnly() throws Exception {
        try (BlockFront other =
                new BlockFront(BlockAbi.X86_64, new BlockDisk(store, true, true, false, 512))) {
            store.onSubmit =
                    () -> {
                        long _ = front.now.addAndGet(600_000);
                        store.complete(0, 0);
                    };
            for (int i = 0; i < 10; i += 2) {
                front.send(WRITE, i, 0, Segment.page(0));
                front.send(FLUSH, i + 1, 0);
            }
            other.send(READ, 77, 0, Segment.page(0));
            assertTrue(front.queue.run());
            assertEquals(List.of(DiskOp.WRITE, DiskOp.FLUSH), store.log);
            assertEquals(1, front.woken(), "for the rest");
            assertEquals(new Answer(0, WRITE, 0), front.answer());
            other.assertStatus(0, READ, 77);
            while (front.queue.run()) {
                // The rest, in further turns.
            }
            for (int i = 1; i < 10; i++) {
                assertEquals(i, front.answer().id());
            }
            assertEquals(4, front.woken());
        }
    }

    @Test
    void turnEndsAfterSoManyBytes() throws Exception {
        store.onSubmit = () -> store.complete(0, 0);
        for (int i = 0; i < 6; i++) {
            front.sendIndirect(WRITE, i, 0, 299, 0, 256);
        }
        assertTrue(front.queue.run());
        assertEquals(4, store.log.size());
        assertEquals(1, front.woken());
        assertTrue(front.queue.run());
        assertEquals(6, store.log.size());
    }

    @Test
    void requestThatFailsInsideTheServiceIsAnsweredAndTheQueueDrains() throws Exception {
        SlowStore broken =
                new SlowStore() {
                    @Override
                    public long bytes() {
                        throw new IllegalStateException("a bug");
                    }
                };
        try (BlockFront failing =
                new BlockFront(BlockAbi.X86_64, new BlockDisk(broken, true, true, false, 512))) {
            failing.send(READ, 7, 0, Segment.page(0));
            assertThrows(IllegalStateException.class, failing.queue::run);
            assertEquals(new Answer(7, READ, -1), failing.answer());
            assertTrue(failing.queue.drain(Duration.ZERO));
            failing.assertNothingPinned();
        }
    }
}
