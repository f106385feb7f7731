package io.xenemu.core.migration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.BitSet;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

/// The blocks of a disk that have to be sent.
final class BlockLogPropertyTest {
    private static BitSet of(BlockLog log) {
        BitSet all = new BitSet();
        for (long block = log.next(0); block >= 0; block = log.next(block + 1)) {
            all.set((int) block);
        }
        assertEquals(all.cardinality(), log.count());
        return all;
    }

    /// @param parts of the disk in sectors: where each begins, and its length
    @Property
    void eachWriteIsNotedUntilItsBlocksAreTaken(
            @ForAll @IntRange(min = 1, max = 40_000) int sectors,
            @ForAll @Size(max = 20) List<@Size(2) List<@IntRange(max = 40_000) Integer>> parts,
            @ForAll @IntRange(min = 1, max = 200) int most) {
        long bytes = sectors * 512L;
        BlockLog log = new BlockLog(bytes);
        BitSet model = new BitSet();
        model.set(0, (int) Math.ceilDiv(bytes, BlockLog.BLOCK));
        assertEquals(model, of(log));
        for (List<Integer> part : parts) {
            long from = part.getFirst() % sectors * 512L;
            long count = Math.min(part.getLast() * 512L, bytes - from);
            log.wrote(from, count);
            if (count > 0) {
                model.set(
                        (int) (from / BlockLog.BLOCK),
                        (int) ((from + count - 1) / BlockLog.BLOCK) + 1);
            }
            assertEquals(model, of(log));
            long taken = log.next(from / BlockLog.BLOCK);
            if (taken >= 0) {
                long end = log.take(taken, most);
                int clear = Math.min(model.nextClearBit((int) taken), (int) taken + most);
                assertEquals(clear, end);
                model.clear((int) taken, (int) end);
                assertEquals(model, of(log));
            }
        }
    }

    @Test
    void largestDiskHasALog() {
        BlockLog log = new BlockLog(BlockLog.MAX_BYTES);
        assertEquals(BlockLog.MAX_BYTES / BlockLog.BLOCK, log.count());
        assertThrows(IllegalArgumentException.class, () -> new BlockLog(BlockLog.MAX_BYTES + 512));
    }
}
