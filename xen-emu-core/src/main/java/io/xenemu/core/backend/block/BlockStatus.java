package io.xenemu.core.backend.block;

import io.xenemu.kvm.abi.Errno;

/// The outcome of a block request (`BLKIF_RSP_*`).
enum BlockStatus {
    OKAY(0),
    ERROR(-1),
    /// The operation is not served, such as a discard by a disk that cannot discard.
    EOPNOTSUPP(-2);

    private final short code;

    BlockStatus(int code) {
        this.code = (short) code;
    }

    short code() {
        return code;
    }

    /// The status for a store's completion. A read or write that a store cannot do is an error, since it has to.
    static BlockStatus of(int errno, BlockOp op) {
        if (errno == 0) {
            return OKAY;
        }
        boolean optional = op != BlockOp.READ && op != BlockOp.WRITE;
        return errno == Errno.EOPNOTSUPP && optional ? EOPNOTSUPP : ERROR;
    }
}
