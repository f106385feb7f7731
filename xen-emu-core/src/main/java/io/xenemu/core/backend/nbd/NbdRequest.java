package io.xenemu.core.backend.nbd;

import io.xenemu.core.backend.block.DiskTransfer;
import io.xenemu.kvm.file.IoVectors;
import org.jspecify.annotations.Nullable;

/// A transfer on its way to a server and back, in one part or several. Used again and again by an [NbdStore], whose
/// lock guards it, but for the progress of its reply, which is the reader's.
final class NbdRequest {
    /// Pieces of memory that a transfer can have: with a request's header, or a reply's buffer, they fit one call.
    static final int MOST_PIECES = IoVectors.MAX_COUNT - 1;

    private @Nullable DiskTransfer transfer;
    private int command;
    private long offset;
    private long length;
    private int flags;

    /// Order of submission, by which requests are sent again.
    long sequence;

    /// Bytes of the parts that are done.
    long done;

    /// Bytes of the part under way.
    int part;

    /// The name of the part under way, different each time.
    long cookie;

    /// Room that a write has reserved in the journal.
    long reservation;

    /// The journal's end when a flush was sent.
    long mark;

    /// Whether the part under way is to be durable when it is answered.
    boolean forced;

    /// How often the part under way was sent again.
    int repeats;

    boolean sent;
    boolean answered;
    int errno;

    /// How many bytes of a read have come without a gap.
    long covered;

    /// The parts of a read that came out of order.
    @Nullable ChunkCoverage scattered;

    /// Where the answer to a block status goes.
    @Nullable NbdExtents extents;

    /// Of the [RequestQueue] that it is in.
    @Nullable NbdRequest next;

    /// Makes it another request.
    ///
    /// @param newFlags the protocol's flags of the command
    /// @param owner gets the outcome, and has the memory; null for the store's own flush
    NbdRequest set(
            int newCommand,
            long newOffset,
            long newLength,
            int newFlags,
            @Nullable DiskTransfer owner) {
        command = newCommand;
        offset = newOffset;
        length = newLength;
        flags = newFlags;
        transfer = owner;
        done = 0;
        repeats = 0;
        extents = null;
        return this;
    }

    /// The transfer that it is for, or null.
    @Nullable DiskTransfer transfer() {
        return transfer;
    }

    /// The memory of a read or a write.
    ///
    /// @throws IllegalStateException if it has none
    IoVectors data() {
        if (transfer == null) {
            throw new IllegalStateException("a request without data");
        }
        return transfer.memory();
    }

    /// One of the protocol's commands.
    int command() {
        return command;
    }

    int flags() {
        return flags;
    }

    /// Bytes that are not done.
    long left() {
        return length - done;
    }

    /// Where the part under way begins, in bytes.
    long partOffset() {
        return offset + done;
    }

    /// Whether it changes what a later read finds.
    boolean changes() {
        return command == NbdProtocol.CMD_WRITE
                || command == NbdProtocol.CMD_WRITE_ZEROES
                || command == NbdProtocol.CMD_TRIM;
    }
}
