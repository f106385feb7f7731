package io.xenemu.core.migration;

import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/// Finds the frames of a connection in its bytes, however they come. For one thread.
public final class PageFrameReader implements AutoCloseable {
    private static final int ROOM =
            2 * (PageFrame.HEAD_BYTES + PageFrame.MAX_BODY_BYTES + Integer.BYTES);

    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory = arena.allocate(ROOM, Long.BYTES);
    private final ByteBuffer bytes = memory.asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
    private final ByteBuffer unpacked =
            arena.allocate((long) PageFrame.MAX_PAGES * SaveFormat.PAGE, Long.BYTES).asByteBuffer();
    private final ZstdPages zstd = new ZstdPages();

    /// Where the bytes begin that were not used yet, and where they end.
    private int from;

    private int to;

    /// The bytes that end what is to be left out; null if nothing is.
    private byte @Nullable [] awaited;

    /// Room for further bytes: at least one. Frames that were returned are not valid any more.
    public MemorySegment room() {
        if (from > 0) {
            MemorySegment.copy(memory, from, memory, 0, to - from);
            to -= from;
            from = 0;
        }
        return memory.asSlice(to);
    }

    /// Bytes have come into [#room].
    public void filled(long count) {
        to += Math.toIntExact(count);
    }

    /// Leaves all out up to and with a frame.
    public void skipTo(PageFrame frame) {
        ByteBuffer wanted = frame.encode();
        byte[] all = new byte[wanted.remaining()];
        wanted.get(all);
        awaited = all;
    }

    /// Forgets all that has come.
    public void clear() {
        from = 0;
        to = 0;
        awaited = null;
    }

    /// Whether there is still something to be left out.
    public boolean isSkipping() {
        byte[] wanted = awaited;
        if (wanted == null) {
            return false;
        }
        for (; to - from >= wanted.length; from++) {
            if (bytes.slice(from, wanted.length).mismatch(ByteBuffer.wrap(wanted)) < 0) {
                from += wanted.length;
                awaited = null;
                return false;
            }
        }
        return true;
    }

    /// The next frame, valid until the next call of [#room].
    ///
    /// @return null if it is not there yet
    /// @throws WireException if there is something else
    public @Nullable PageFrame next() throws WireException {
        if (isSkipping() || to - from < PageFrame.HEAD_BYTES) {
            return null;
        }
        int length = bytes.getInt(from + 2 * Integer.BYTES);
        if (bytes.getInt(from) != PageFrame.MAGIC
                || length < 0
                || length > PageFrame.MAX_BODY_BYTES) {
            throw new WireException("the other side does not speak of pages");
        }
        int end = from + PageFrame.HEAD_BYTES + length;
        if (to < end + Integer.BYTES) {
            return null;
        }
        if (PageFrame.crc(bytes.slice(from, end - from)) != bytes.getInt(end)) {
            throw new WireException("the checksum of a frame of pages is wrong");
        }
        ByteBuffer body =
                bytes.slice(from + PageFrame.HEAD_BYTES, length).order(ByteOrder.LITTLE_ENDIAN);
        int type = bytes.getInt(from + Integer.BYTES);
        from = end + Integer.BYTES;
        return PageFrame.decode(type, body);
    }

    /// Hands the pages of a frame over.
    public void unpack(PageFrame.Pages frame, PageRunSink sink) throws IOException {
        int length = frame.count() * SaveFormat.PAGE;
        ByteBuffer pages = frame.bytes();
        if (pages.remaining() == 0) {
            pages = unpacked.clear().limit(length);
            MemorySegment.ofBuffer(pages).fill((byte) 0);
        } else if (pages.remaining() < length) {
            zstd.decompress(pages, unpacked, length);
            pages = unpacked.clear().limit(length);
        }
        sink.run(frame.first(), MemorySegment.ofBuffer(pages));
    }

    @Override
    public void close() {
        zstd.close();
        arena.close();
    }
}
