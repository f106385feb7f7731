package io.xenemu.core.backend.block;

import static io.xenemu.core.backend.block.BlockFront.BARRIER;
import static io.xenemu.core.backend.block.BlockFront.FLUSH;
import static io.xenemu.core.backend.block.BlockFront.READ;
import static io.xenemu.core.backend.block.BlockFront.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.block.BlockFront.Answer;
import io.xenemu.core.backend.block.BlockFront.Segment;
import io.xenemu.kvm.abi.Errno;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Neighbouring requests on a store that prefers one transfer.
class JoinedRequestsTest {
    private final SlowStore store = new SlowStore();
    private BlockFront front;

    @BeforeEach
    void open() throws Exception {
        store.fasterJoined = true;
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

    private void sendPages(int operation, int count) {
        for (int i = 0; i < count; i++) {
            front.send(operation, i, 8L * i, Segment.page(2 * i));
        }
    }

    private DiskTransfer only() {
        assertEquals(1, store.submitted.size());
        return store.submitted.getFirst();
    }

    @Test
    void neighboursAreOneTransferAndEachIsAnswered() {
        sendPages(WRITE, 4);
        front.queue.run();
        assertEquals(0, only().offset());
        assertEquals(4 * 4096, only().bytes());
        assertEquals(4, only().memory().count());
        store.complete(0, 0);
        for (int i = 0; i < 4; i++) {
            assertEquals(new Answer(i, WRITE, 0), front.answer());
        }
    }

    @Test
    void othersThanNeighboursStayAlone() {
        front.send(READ, 1, 0, Segment.page(0));
        front.send(READ, 2, 16, Segment.page(2));
        front.send(READ, 3, 8, Segment.page(4));
        front.send(WRITE, 4, 16, Segment.page(6));
        front.send(READ, 5, 24, Segment.page(8));
        front.queue.run();
        assertEquals(
                List.of(0L, 8192L, 4096L, 8192L, 12288L),
                store.submitted.stream().map(DiskTransfer::offset).toList());
    }

    @Test
    void failureHitsItsOwnRequestAlone() {
        sendPages(WRITE, 3);
        front.queue.run();
        store.complete(0, Errno.EIO);
        assertEquals(List.of(), front.failures, "which of them is not known yet");
        assertEquals(3, store.submitted.size());
        for (int i = 0; i < 3; i++) {
            assertEquals(4096, store.submitted.get(i).bytes());
            assertEquals(4096L * i, store.submitted.get(i).offset());
            assertEquals(1, store.submitted.get(i).memory().count());
        }
        store.complete(1, Errno.ENOSPC);
        store.complete(1, 0);
        store.complete(0, 0);
        assertEquals(new Answer(1, WRITE, -1), front.answer());
        assertEquals(new Answer(2, WRITE, 0), front.answer());
        assertEquals(new Answer(0, WRITE, 0), front.answer());
        assertEquals(List.of("WRITE ENOSPC"), front.failures);
    }

    /// Or the end of a disk whose server hangs would take twice as long.
    @Test
    void requestsThatAreGivenUpAreNotTriedAgain() throws Exception {
        sendPages(WRITE, 3);
        front.queue.run();
        assertFalse(front.queue.drain(Duration.ofMillis(1)));
        front.queue.giveUp();
        store.complete(0, Errno.EIO);
        assertEquals(0, store.submitted.size());
        assertTrue(front.queue.drain(Duration.ZERO));
        for (int i = 0; i < 3; i++) {
            assertEquals(new Answer(i, WRITE, -1), front.answer());
        }
        front.queue.resume();
        sendPages(WRITE, 3);
        front.queue.run();
        store.complete(0, Errno.EIO);
        assertEquals(3, store.submitted.size(), "each alone, as before");
    }

    @Test
    void barrierAndFlushSeparateNeighbours() {
        sendPages(WRITE, 2);
        front.send(FLUSH, 2, 0);
        front.send(WRITE, 3, 16, Segment.page(4));
        front.send(BARRIER, 4, 24, Segment.page(6));
        front.send(WRITE, 5, 32, Segment.page(8));
        front.queue.run();
        assertEquals(List.of(DiskOp.WRITE, DiskOp.FLUSH, DiskOp.WRITE), store.log);
        store.complete(0, 0);
        store.complete(0, 0);
        store.complete(0, 0);
        assertEquals(DiskOp.FLUSH, store.log.getLast(), "the barrier's");
        assertEquals(1, store.submitted.size());
    }

    @Test
    void requestThatCannotBeMappedIsNoneOfTheNeighbours() throws Exception {
        front.send(WRITE, 0, 0, Segment.page(0));
        front.send(WRITE, 1, 8, new Segment(-5, 0, 7));
        front.send(WRITE, 2, 16, Segment.page(4));
        front.queue.run();
        assertEquals(new Answer(1, WRITE, -1), front.answer());
        assertEquals(2, store.submitted.size());
    }

    @Test
    void transferHasALimitOfItsBytes() throws Exception {
        for (int i = 0; i < 3; i++) {
            front.sendIndirect(READ, i, 256L * i, 299, 0, 32);
        }
        front.queue.run();
        assertEquals(
                List.of(256 * 1024L, 128 * 1024L),
                store.submitted.stream().map(DiskTransfer::bytes).toList());
    }

    @Test
    void transferHasALimitOfItsPieces() {
        for (int i = 0; i < 64; i++) {
            front.send(
                    READ,
                    i,
                    2L * i,
                    new Segment(BlockFront.FIRST_REF + i, 0, 0),
                    new Segment(BlockFront.FIRST_REF + i, 4, 4));
        }
        front.queue.run();
        assertEquals(
                List.of(64, 64),
                store.submitted.stream().map(transfer -> transfer.memory().count()).toList());
    }

    @Test
    void drainWaitsForAllOfThem() throws Exception {
        sendPages(READ, 5);
        front.queue.run();
        assertFalse(front.queue.drain(Duration.ofMillis(1)));
        store.complete(0, Errno.EIO);
        assertFalse(front.queue.drain(Duration.ofMillis(1)));
        while (!store.submitted.isEmpty()) {
            store.complete(0, 0);
        }
        assertTrue(front.queue.drain(Duration.ZERO));
    }
}
