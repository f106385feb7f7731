package io.xenemu.core.backend.block;

import io.xenemu.kvm.file.IoVectors;
import org.jspecify.annotations.Nullable;

/// One operation that a store carries out. The object is used again and again; a store keeps no reference to it beyond
/// its completion.
public final class DiskTransfer {
    /// Called with the outcome of a transfer.
    @FunctionalInterface
    public interface Completion {
        /// The transfer has ended. Called on the store's thread, or inside [DiskStore#submit]; must not block.
        ///
        /// @param transfer may be submitted again by this call
        /// @param errno 0, or Linux's positive error number; `EOPNOTSUPP` if the store cannot do it at all
        void completed(DiskTransfer transfer, int errno);
    }

    private final IoVectors memory;
    private final Completion completion;
    private @Nullable StoreWrites changes;
    private DiskOp op = DiskOp.FLUSH;
    private long offset;
    private long bytes;

    /// @param memory the source or target of reads and writes; filled by the submitter before it submits
    /// @param completion called after each submission
    public DiskTransfer(IoVectors memory, Completion completion) {
        this.memory = memory;
        this.completion = completion;
    }

    /// Sets what the next submission asks for.
    ///
    /// @param offset in the disk, bytes; a multiple of [DiskStore#SECTOR]; 0 for a flush
    /// @param bytes a multiple of [DiskStore#SECTOR]; for reads and writes the sum of the vectors; 0 for a flush
    public void set(DiskOp op, long offset, long bytes) {
        this.op = op;
        this.offset = offset;
        this.bytes = bytes;
    }

    /// Says whose content the next submission changes.
    void changes(StoreWrites store) {
        changes = store;
    }

    /// The operation.
    public DiskOp op() {
        return op;
    }

    /// Offset in the disk, bytes.
    public long offset() {
        return offset;
    }

    /// Length of the range, bytes.
    public long bytes() {
        return bytes;
    }

    /// The offset in the disk of what is left of a read or write, of which the store has skipped a part.
    long nextOffset() {
        return offset + bytes - memory.bytes();
    }

    /// Where to read to or write from: host addresses, in order. They are valid until the completion. The store may
    /// change the array, such as by [IoVectors#skip].
    public IoVectors memory() {
        return memory;
    }

    /// Ends the transfer. Called exactly once for each submission, on any thread.
    ///
    /// @param errno 0, or Linux's positive error number
    public void complete(int errno) {
        StoreWrites store = changes;
        if (store != null) {
            // Also if it has failed: a part may be done.
            store.ended(this);
        }
        completion.completed(this, errno);
    }
}
