package io.xenemu.core.backend.block;

/// The operations of block requests (`BLKIF_OP_*`). Indirect requests count as the operation that they contain.
enum BlockOp {
    READ,
    WRITE,
    /// Everything before it is on the disk before its data, and its data before its answer.
    WRITE_BARRIER,
    FLUSH_DISKCACHE,
    DISCARD,
    /// No operation that is served.
    UNKNOWN;

    /// The number of a request whose segments are in a page of their own (`BLKIF_OP_INDIRECT`).
    static final int INDIRECT = 6;

    /// From `BLKIF_OP_READ`, 0, to `BLKIF_OP_DISCARD`, 5.
    private static final BlockOp[] BY_NUMBER = {
        READ, WRITE, WRITE_BARRIER, FLUSH_DISKCACHE, UNKNOWN, DISCARD
    };

    /// The operation with a number, 0 to 255; [#UNKNOWN] for others, and for [#INDIRECT].
    static BlockOp of(int number) {
        return number < BY_NUMBER.length ? BY_NUMBER[number] : UNKNOWN;
    }

    /// Whether it only reads or only writes, so that neighbours can be one transfer.
    boolean isPlain() {
        return this == READ || this == WRITE;
    }

    /// Whether it has segments: data to read or write.
    boolean hasSegments() {
        return this != DISCARD && this != UNKNOWN;
    }
}
