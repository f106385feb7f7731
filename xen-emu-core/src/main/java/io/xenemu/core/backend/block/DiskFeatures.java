package io.xenemu.core.backend.block;

/// What a store can do; constant while it is open.
///
/// @param writable whether it takes writes, discards and zeroes
/// @param flush whether [DiskOp#FLUSH] works; without it every write is on the disk when it completes
/// @param discard whether [DiskOp#DISCARD] works
/// @param writeZeroes whether [DiskOp#WRITE_ZEROES] works
/// @param logicalBlock the unit in which it is addressed, and the sector of a guest that wants no other, bytes; a power
///     of two from 512
/// @param physicalBlock the smallest unit that it writes without reading first, bytes; a power of two from 512
/// @param discardGranularity the unit in which it frees space, bytes; a power of two from 512
public record DiskFeatures(
        boolean writable,
        boolean flush,
        boolean discard,
        boolean writeZeroes,
        int logicalBlock,
        int physicalBlock,
        int discardGranularity) {
    /// The physical block that a guest is told when the host's is larger, bytes: file systems and NBD servers report
    /// transfer sizes of many pages, which no partition is aligned to.
    private static final int MAX_PHYSICAL_BLOCK = 4096;

    public DiskFeatures {
        if (!isUnit(logicalBlock) || !isUnit(physicalBlock) || !isUnit(discardGranularity)) {
            throw new IllegalArgumentException(
                    "%d, %d and %d".formatted(logicalBlock, physicalBlock, discardGranularity));
        }
    }

    /// The physical block that a guest is told.
    ///
    /// @param block of the host's file system, or the one that the server prefers, bytes; a power of two from 512
    public static int physicalBlock(int block) {
        return Math.min(block, MAX_PHYSICAL_BLOCK);
    }

    private static boolean isUnit(int bytes) {
        return bytes >= DiskStore.SECTOR && Integer.bitCount(bytes) == 1;
    }
}
