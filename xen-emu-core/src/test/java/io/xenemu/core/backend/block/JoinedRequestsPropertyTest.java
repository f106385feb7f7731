package io.xenemu.core.backend.block;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.primitives.Bytes;
import io.xenemu.core.backend.block.BlockFront.Answer;
import io.xenemu.core.backend.block.BlockFront.Segment;
import io.xenemu.kvm.abi.Errno;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/// Any sequence of requests gives the same disk, the same memory and the same answers, whether neighbours are joined
/// or not.
class JoinedRequestsPropertyTest {
    private static final int SECTORS = 128;
    private static final int PAGES = 40;
    private static final int ROUNDS = 12;

    /// A disk in memory, some of whose sectors fail. What is before such a sector is read or written.
    private static final class WornStore extends SlowStore {
        final byte[] content = new byte[SECTORS * SECTOR];
        final BitSet worn;
        int transfers;

        WornStore(boolean joins, BitSet worn) {
            fasterJoined = joins;
            this.worn = worn;
            bytes = content.length;
        }

        @Override
        public void submit(DiskTransfer transfer) {
            transfers++;
            int first = Math.toIntExact(transfer.offset() / SECTOR);
            int count = Math.toIntExact(transfer.bytes() / SECTOR);
            int bad = worn.nextSetBit(first);
            boolean fails = bad >= 0 && bad < first + count;
            long good = (fails ? bad - first : count) * (long) SECTOR;
            MemorySegment disk = MemorySegment.ofArray(content);
            switch (transfer.op()) {
                case READ -> transfer.memory().copyIn(0, disk, transfer.offset(), good);
                case WRITE -> transfer.memory().copyOut(0, disk, transfer.offset(), good);
                case DISCARD -> disk.asSlice(transfer.offset(), good).fill((byte) 0);
                case FLUSH, WRITE_ZEROES -> {}
            }
            transfer.complete(fails ? Errno.EIO : 0);
        }
    }

    /// What a guest has seen at the end.
    private record Outcome(List<Byte> disk, List<Byte> memory, Map<Long, Answer> answers) {}

    @Property(tries = 300)
    void joiningChangesNothingButTheTransfers(@ForAll long seed) throws Exception {
        Outcome apart = play(seed, false);
        Outcome joined = play(seed, true);
        assertEquals(apart.disk, joined.disk);
        assertEquals(apart.memory, joined.memory);
        assertEquals(apart.answers, joined.answers);
    }

    @Property(tries = 20)
    void neighboursTakeOneTransfer(@ForAll long seed) throws Exception {
        var store = new WornStore(true, new BitSet());
        try (BlockFront front = front(store)) {
            int count = 2 + new Random(seed).nextInt(30 - 2);
            for (int i = 0; i < count; i++) {
                front.send(1, i, i, new Segment(BlockFront.FIRST_REF + i, 3, 3));
            }
            assertTrue(front.queue.run());
            for (int i = 0; i < count; i++) {
                assertEquals(new Answer(i, 1, 0), front.answer());
            }
            assertEquals(1, store.transfers);
        }
    }

    private static BlockFront front(WornStore store) throws Exception {
        return new BlockFront(BlockAbi.X86_64, new BlockDisk(store, true, true, false, 512));
    }

    private static Outcome play(long seed, boolean joins) throws Exception {
        var random = new Random(seed);
        BitSet worn = new BitSet();
        for (int i = random.nextInt(4); i > 0; i--) {
            worn.set(random.nextInt(SECTORS));
        }
        var store = new WornStore(joins, worn);
        try (BlockFront front = front(store)) {
            for (int page = 0; page < PAGES; page++) {
                front.fill(page, random.nextInt(256));
            }
            Map<Long, Answer> answers = new TreeMap<>();
            long id = 0;
            for (int round = 0; round < ROUNDS; round++) {
                long sector = random.nextInt(SECTORS);
                int operation = random.nextInt(2);
                int count = random.nextInt(32);
                for (int i = 0; i < count; i++) {
                    // Most requests continue the one before.
                    if (random.nextInt(6) == 0) {
                        sector = random.nextInt(SECTORS);
                        operation = random.nextInt(7);
                    }
                    sector += send(front, random, operation, id++, sector);
                }
                front.queue.run();
                while (front.ring.hasAnswer()) {
                    Answer answer = front.answer();
                    answers.put(answer.id(), answer);
                }
            }
            assertTrue(front.queue.drain(Duration.ZERO));
            assertEquals(id, answers.size());
            front.assertNothingPinned();
            byte[] memory =
                    front.memory
                            .segment(front.address(0), PAGES * 4096L)
                            .toArray(ValueLayout.JAVA_BYTE);
            return new Outcome(Bytes.asList(store.content), Bytes.asList(memory), answers);
        }
    }

    /// Sends a request.
    ///
    /// @return its sectors
    private static int send(BlockFront front, Random random, int operation, long id, long sector)
            throws Exception {
        if (operation == 5) {
            int count = random.nextInt(8);
            front.sendDiscard(id, 0, sector, count);
            return count;
        }
        if (operation == 6) {
            int count = 1 + random.nextInt(4);
            front.sendIndirect(random.nextInt(2), id, sector, 299, random.nextInt(32), count);
            return 8 * count;
        }
        Segment[] parts = new Segment[random.nextInt(3) + (operation == 3 ? 0 : 1)];
        int sectors = 0;
        for (int i = 0; i < parts.length; i++) {
            int first = random.nextInt(8);
            int last = first + random.nextInt(8 - first);
            int ref = random.nextInt(40) == 0 ? -5 : BlockFront.FIRST_REF + random.nextInt(PAGES);
            parts[i] = new Segment(ref, first, last);
            sectors += last - first + 1;
        }
        front.send(operation, id, sector, parts);
        return sectors;
    }
}
