package io.xenemu.core.migration;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;

/// A channel whose first bytes tell what is in it. They are given out again.
public final class PeekedChannel implements ReadableByteChannel {
    private final ReadableByteChannel in;
    private final ByteBuffer first;

    /// Reads the first bytes.
    ///
    /// @param count as many, or all if there are fewer
    public PeekedChannel(ReadableByteChannel in, int count) throws IOException {
        this.in = in;
        first = ByteBuffer.allocate(count);
        while (first.hasRemaining() && in.read(first) >= 0) {
            // Until it is full, or nothing more comes.
        }
        first.flip();
    }

    /// The first bytes.
    public byte[] first() {
        byte[] bytes = new byte[first.limit()];
        first.duplicate().position(0).get(bytes);
        return bytes;
    }

    @Override
    public int read(ByteBuffer to) throws IOException {
        if (!first.hasRemaining()) {
            return in.read(to);
        }
        int count = Math.min(first.remaining(), to.remaining());
        to.put(first.slice(first.position(), count));
        first.position(first.position() + count);
        return count;
    }

    @Override
    public boolean isOpen() {
        return in.isOpen();
    }

    @Override
    public void close() throws IOException {
        in.close();
    }
}
