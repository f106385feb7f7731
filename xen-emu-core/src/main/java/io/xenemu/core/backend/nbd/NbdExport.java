package io.xenemu.core.backend.nbd;

/// A server's export as the handshake described it, with values that have been checked.
///
/// @param size bytes
/// @param flags the protocol's transmission flags
/// @param minimumBlock bytes of which offsets and lengths are multiples; a power of two
/// @param preferredBlock bytes of which they should be; a power of two
/// @param maximumPayload bytes of data in one request at most
/// @param structured whether replies with data are structured
/// @param allocation the id of the metadata context `base:allocation`, or -1 if there is none
public record NbdExport(
        long size,
        int flags,
        int minimumBlock,
        int preferredBlock,
        int maximumPayload,
        boolean structured,
        long allocation) {
    /// What `allocation` is if the server tells no allocation.
    static final long NO_CONTEXT = -1;

    /// Whether the server refuses to write.
    public boolean isReadOnly() {
        return has(NbdProtocol.READ_ONLY);
    }

    /// Whether the server can make writes durable.
    public boolean canFlush() {
        return has(NbdProtocol.SEND_FLUSH);
    }

    /// Whether the server takes hints that data is no longer needed.
    public boolean canTrim() {
        return has(NbdProtocol.SEND_TRIM);
    }

    /// Whether the server writes zeroes without being sent them.
    public boolean canWriteZeroes() {
        return has(NbdProtocol.SEND_WRITE_ZEROES);
    }

    /// Whether the server can make a single write durable.
    boolean canForceUnitAccess() {
        return has(NbdProtocol.SEND_FUA);
    }

    /// Whether a flush on one connection holds for all of them.
    boolean canMultiConnect() {
        return has(NbdProtocol.CAN_MULTI_CONN);
    }

    /// Whether a disk that began on `before` can go on here: it is not smaller and has the abilities in
    /// use.
    boolean canReplace(NbdExport before) {
        int used =
                before.flags
                        & (NbdProtocol.SEND_FLUSH
                                | NbdProtocol.SEND_FUA
                                | NbdProtocol.SEND_TRIM
                                | NbdProtocol.SEND_WRITE_ZEROES);
        return size >= before.size
                && (flags & used) == used
                && (before.isReadOnly() || !isReadOnly())
                && minimumBlock <= before.minimumBlock
                && maximumPayload >= before.maximumPayload
                && (allocation >= 0 || before.allocation < 0);
    }

    private boolean has(int flag) {
        return (flags & flag) != 0;
    }
}
