package io.xenemu.core.backend.block;

/// The operations of a [DiskStore].
public enum DiskOp {
    /// Reads a range into memory.
    READ,
    /// Writes memory to a range. After completion a read gives the data; it is on the disk after a flush.
    WRITE,
    /// Brings all writes that were completed before it was submitted to the disk. No range, no memory.
    FLUSH,
    /// The range's content is not needed any more. No memory.
    DISCARD,
    /// The range reads as zeros afterwards. No memory. No request of a block ring asks for it (`blkif.h` has none), and
    /// nothing else in the service does yet.
    WRITE_ZEROES;

    /// Whether memory is read or written.
    public boolean hasData() {
        return this == READ || this == WRITE;
    }
}
