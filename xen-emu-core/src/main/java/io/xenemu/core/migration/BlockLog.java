package io.xenemu.core.migration;

import java.util.concurrent.atomic.AtomicLongArray;

/// The blocks of a disk that have to be sent: all of them at first, and then those that are written. Any thread notes
/// writes; one thread takes blocks.
///
/// A write is noted after its data is where a reader finds it, and a block is taken before it is read. So a write that
/// the reader has missed is noted after the block was taken.
public final class BlockLog {
    /// Bytes of a block.
    public static final int BLOCK = SaveFormat.BLOCK;

    /// The most bytes of a disk.
    public static final long MAX_BYTES = SaveFormat.MAX_DISK_BYTES;

    private final long blocks;
    private final AtomicLongArray words;

    /// @param bytes of the disk, up to [#MAX_BYTES]
    public BlockLog(long bytes) {
        if (bytes < 0 || bytes > MAX_BYTES) {
            throw new IllegalArgumentException("a disk of " + bytes + " bytes");
        }
        blocks = Math.ceilDiv(bytes, BLOCK);
        words = new AtomicLongArray(Math.toIntExact(Math.ceilDiv(blocks, Long.SIZE)));
        for (int i = 0; i < words.length(); i++) {
            long left = blocks - (long) i * Long.SIZE;
            words.set(i, left >= Long.SIZE ? -1L : (1L << left) - 1);
        }
    }

    /// Notes that a part of the disk was changed. Its new content can be read.
    public void wrote(long from, long count) {
        if (count <= 0) {
            return;
        }
        long last = Math.min(blocks - 1, (from + count - 1) / BLOCK);
        for (long block = from / BLOCK; block <= last; ) {
            int word = Math.toIntExact(block / Long.SIZE);
            int bit = (int) (block % Long.SIZE);
            int bits = (int) Math.min(Long.SIZE - bit, last - block + 1);
            long mask = bits == Long.SIZE ? -1L : ((1L << bits) - 1) << bit;
            if ((words.get(word) & mask) != mask) {
                long _ = words.getAndAccumulate(word, mask, (old, more) -> old | more);
            }
            block += bits;
        }
    }

    /// The number of blocks that have to be sent.
    public long count() {
        long count = 0;
        for (int i = 0; i < words.length(); i++) {
            count += Long.bitCount(words.get(i));
        }
        return count;
    }

    /// The first block that has to be sent, from one on.
    ///
    /// @return -1 if there is none
    long next(long from) {
        if (from >= blocks) {
            return -1;
        }
        int word = Math.toIntExact(from / Long.SIZE);
        long left = words.get(word) & -1L << from % Long.SIZE;
        while (left == 0) {
            word++;
            if (word == words.length()) {
                return -1;
            }
            left = words.get(word);
        }
        return (long) word * Long.SIZE + Long.numberOfTrailingZeros(left);
    }

    /// Takes a block, and those behind it that have to be sent too. They are read after this.
    ///
    /// @param most of them
    /// @return the block behind them
    long take(long first, int most) {
        long end = Math.min(blocks, first + most);
        long block = first;
        while (block < end) {
            long bit = 1L << block % Long.SIZE;
            int word = Math.toIntExact(block / Long.SIZE);
            if ((words.get(word) & bit) == 0) {
                break;
            }
            long _ = words.getAndAccumulate(word, ~bit, (old, kept) -> old & kept);
            block++;
        }
        return block;
    }
}
