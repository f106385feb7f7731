package io.xenemu.core.migration;

import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.security.MessageDigest;

/// Content of a known length that comes as sections of [SectionType#DATA]. Each is checked before its bytes are given
/// out.
final class ChunkStream extends InputStream {
    private final SectionReader in;
    private long left;
    private ByteBuffer chunk = ByteBuffer.allocate(0);

    /// @param length of the whole content
    ChunkStream(SectionReader in, long length) {
        this.in = in;
        left = length;
    }

    @Override
    public int read() throws IOException {
        return more() ? Byte.toUnsignedInt(chunk.get()) : -1;
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
        if (length == 0) {
            return 0;
        }
        if (!more()) {
            return -1;
        }
        int count = Math.min(length, chunk.remaining());
        chunk.get(into, offset, count);
        return count;
    }

    /// Writes all content elsewhere.
    void drainTo(WritableByteChannel to, MessageDigest digest) throws IOException {
        while (more()) {
            digest.update(chunk.duplicate());
            while (chunk.hasRemaining()) {
                to.write(chunk);
            }
        }
    }

    /// Goes past all content, which is neither read nor checked.
    ///
    /// @param file the channel that is read
    void skip(FileChannel file) throws IOException {
        while (left > 0) {
            count(in.skip(SectionType.DATA, file));
        }
    }

    /// Reads and checks what is left.
    void skipAll() throws IOException {
        while (more()) {
            chunk.position(chunk.limit());
        }
    }

    /// Throws unless all content has been read.
    void requireEnd() throws IOException {
        if (more()) {
            throw new WireException("state of a guest goes on after its end");
        }
    }

    /// Whether there is a byte, after the next section has been read if need be.
    private boolean more() throws IOException {
        if (chunk.hasRemaining()) {
            return true;
        }
        if (left == 0) {
            return false;
        }
        in.next(SectionType.DATA);
        chunk = in.body();
        count(chunk.remaining());
        return true;
    }

    /// Counts the bytes of a section.
    private void count(int bytes) throws WireException {
        in.requireVersion(SectionType.DATA);
        if (bytes == 0 || bytes > left) {
            throw new WireException(
                    "a section of %d bytes where %d are left".formatted(bytes, left));
        }
        left -= bytes;
    }
}
