package io.xenemu.kvm.file;

import io.xenemu.kvm.abi.Errno;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;

/// Writes a long file one byte after the other, and lets the disk write meanwhile. The writer is only some bytes ahead
/// of the disk: so it sees how fast that is, and does not wait for most of the file at the end. For one thread; others
/// may close it.
final class PacedFile implements WritableByteChannel {
    /// The bytes that the disk is given at a time.
    static final int PIECE_BYTES = 8 << 20;

    /// The pieces that the disk may have left to do.
    private static final int PIECES_AHEAD = 4;

    private final FileChannel out;
    private final HostFile file;
    private long written;
    private long given;

    /// @param out writes the file; at its beginning
    /// @param file the same one, closed with this object
    PacedFile(FileChannel out, HostFile file) {
        this.out = out;
        this.file = file;
    }

    @Override
    public int write(ByteBuffer from) throws IOException {
        int count = out.write(from);
        written += count;
        while (written - given >= PIECE_BYTES) {
            writeOut(given, false);
            given += PIECE_BYTES;
            long done = given - (PIECES_AHEAD + 1L) * PIECE_BYTES;
            if (done >= 0) {
                writeOut(done, true);
            }
        }
        return count;
    }

    /// The lock keeps the descriptor open; it is held for no longer than the disk takes for the pieces ahead.
    private synchronized void writeOut(long from, boolean waits) throws IOException {
        if (!out.isOpen()) {
            throw new ClosedChannelException();
        }
        int result = file.writeOut(from, PIECE_BYTES, waits);
        if (result < 0) {
            throw new IOException("sync_file_range: " + Errno.name(-result));
        }
    }

    @Override
    public boolean isOpen() {
        return out.isOpen();
    }

    @Override
    public synchronized void close() throws IOException {
        out.close();
        file.close();
    }
}
