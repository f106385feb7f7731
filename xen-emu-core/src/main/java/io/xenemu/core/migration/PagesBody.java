package io.xenemu.core.migration;

import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.BitSet;

/// The body of a section of pages: first its head, which says to which pages of RAM or of a disk the section belongs,
/// then these pages, which may be compressed. One object decodes the sections one after the other.
final class PagesBody implements AutoCloseable {
    private long total;
    private final Arena arena = Arena.ofShared();
    private final ZstdPages zstd = new ZstdPages();

    /// The pages of a section that was compressed.
    private final ByteBuffer unpacked =
            arena.allocate((long) SaveFormat.BATCH_PAGES * SaveFormat.PAGE, Long.BYTES)
                    .asByteBuffer();

    private boolean allowsZeros;
    private boolean isZero;
    private PageEncoding encoding = PageEncoding.NONE;
    private ByteBuffer table = ByteBuffer.allocate(0);
    private int count;
    private long next;

    /// @param total the number of pages of RAM
    PagesBody(long total) {
        this.total = total;
    }

    /// Takes sections of another memory from now on, from its first page on.
    ///
    /// @param pages their number
    void of(long pages) {
        total = pages;
        next = 0;
    }

    /// Allows sections of zeros from now on.
    void allowZeros() {
        allowsZeros = true;
    }

    /// Reads a section's head. Its pages have to come after those of the section before.
    ///
    /// @param body begins with the head; its position is behind that afterwards
    void head(ByteBuffer body) throws WireException {
        if (body.remaining() < SaveFormat.PAGES_HEADER_BYTES) {
            throw new WireException("a section of pages without a head");
        }
        int code = body.getInt();
        isZero = allowsZeros && code == SaveFormat.ZEROS;
        encoding = isZero ? PageEncoding.NONE : PageEncoding.of(code);
        int runs = body.getInt();
        int limit = body.remaining() / SaveFormat.RUN_BYTES;
        if (runs <= 0 || runs > Math.min(SaveFormat.BATCH_PAGES, limit)) {
            throw new WireException(
                    "a section of " + Integer.toUnsignedString(runs) + " runs of pages");
        }
        table = body.slice(body.position(), runs * SaveFormat.RUN_BYTES).order(body.order());
        check();
        body.position(body.position() + table.capacity());
    }

    private void check() throws WireException {
        count = 0;
        for (int at = 0; at < table.capacity(); at += SaveFormat.RUN_BYTES) {
            long first = first(at);
            long length = Integer.toUnsignedLong(table.getInt(at + Integer.BYTES));
            if (first < next || length == 0 || length > total - first) {
                throw new WireException(
                        "pages %d to %d after page %d of %d"
                                .formatted(first, first + length - 1, next - 1, total));
            }
            if (length > SaveFormat.BATCH_PAGES - count) {
                throw new WireException(
                        "more than " + SaveFormat.BATCH_PAGES + " pages in a section");
            }
            count += Math.toIntExact(length);
            next = first + length;
        }
    }

    private long first(int at) {
        return Integer.toUnsignedLong(table.getInt(at));
    }

    /// Lets the next section begin at any page from this one on.
    void goTo(long page) {
        next = page;
    }

    /// The number of pages of the section whose head was read.
    int count() {
        return count;
    }

    /// The first of them.
    long first() {
        return first(0);
    }

    /// The page after the last one.
    long next() {
        return next;
    }

    /// Notes the pages of the section whose head was read.
    ///
    /// @return whether none of them was there before
    boolean addTo(BitSet pages) {
        boolean isNew = true;
        for (int at = 0; at < table.capacity(); at += SaveFormat.RUN_BYTES) {
            int from = Math.toIntExact(first(at));
            int to = from + table.getInt(at + Integer.BYTES);
            int there = pages.nextSetBit(from);
            isNew &= there < 0 || there >= to;
            pages.set(from, to);
        }
        return isNew;
    }

    /// Whether they are compressed.
    boolean isCompressed() {
        return encoding == PageEncoding.ZSTD;
    }

    /// Whether they are zero, and have no bytes.
    boolean isZero() {
        return isZero;
    }

    /// Takes a run of pages by number.
    @FunctionalInterface
    interface Numbers {
        void run(long first, int count) throws IOException;
    }

    /// Names the pages of the section whose head was read, run by run.
    void forEachRun(Numbers sink) throws IOException {
        for (int at = 0; at < table.capacity(); at += SaveFormat.RUN_BYTES) {
            sink.run(first(at), table.getInt(at + Integer.BYTES));
        }
    }

    /// The pages of the section whose head was read, until the next call.
    ///
    /// @param body behind the head
    ByteBuffer pages(ByteBuffer body) throws IOException {
        if (isZero()) {
            if (body.hasRemaining()) {
                throw new WireException("pages of zeros have bytes");
            }
            return body;
        }
        if (isCompressed()) {
            zstd.decompress(body, unpacked, count * SaveFormat.PAGE);
            return unpacked.clear().limit(count * SaveFormat.PAGE);
        }
        if (body.remaining() != count * SaveFormat.PAGE) {
            throw new WireException(count + " pages in " + body.remaining() + " bytes");
        }
        return body;
    }

    /// Hands the pages over, run by run.
    void forEach(ByteBuffer pages, PageRunSink sink) throws IOException {
        MemorySegment all = MemorySegment.ofBuffer(pages);
        long from = 0;
        for (int at = 0; at < table.capacity(); at += SaveFormat.RUN_BYTES) {
            long bytes = (long) table.getInt(at + Integer.BYTES) * SaveFormat.PAGE;
            sink.run(first(at), all.asSlice(from, bytes));
            from += bytes;
        }
    }

    @Override
    public void close() {
        zstd.close();
        arena.close();
    }
}
