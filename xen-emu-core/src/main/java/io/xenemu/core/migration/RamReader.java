package io.xenemu.core.migration;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// Reads the pages of RAM. Pages that the stream does not have are not touched, so they stay zero and take no memory.
final class RamReader implements AutoCloseable {
    private final SectionReader in;
    private final WorkProgress progress;
    private final Arena arena = Arena.ofShared();
    private final ZstdPages zstd = new ZstdPages();

    /// The pages of a section that was compressed.
    private final ByteBuffer unpacked;

    private long total;
    private long next;
    private long pages;
    private long sections;
    private long compressedSections;

    RamReader(SectionReader in, WorkProgress progress) {
        this.in = in;
        this.progress = progress;
        unpacked =
                arena.allocate((long) SaveFormat.BATCH_PAGES * SaveFormat.PAGE, Long.BYTES)
                        .asByteBuffer();
    }

    /// Reads the section that begins RAM.
    ///
    /// @return the number of all pages
    long begin() throws IOException {
        in.next(SectionType.RAM);
        in.requireVersion(SectionType.RAM);
        BodyReader body = in.fields();
        int pageBytes = body.u32();
        total = body.u64();
        body.end();
        if (pageBytes != SaveFormat.PAGE || total < 0 || total > SaveFormat.MAX_RAM_PAGES) {
            throw new WireException(
                    "RAM of %s pages of %s bytes"
                            .formatted(
                                    Long.toUnsignedString(total),
                                    Integer.toUnsignedString(pageBytes)));
        }
        progress.begin(total);
        return total;
    }

    /// Reads all pages.
    ///
    /// @param ram takes them; null only checks them
    void read(@Nullable MemorySegment ram) throws IOException {
        while (in.peek() == SectionType.PAGES) {
            in.next(SectionType.PAGES);
            in.requireVersion(SectionType.PAGES);
            section(ram);
            SaveCancelledException.tell(progress, next);
        }
    }

    private void section(@Nullable MemorySegment ram) throws IOException {
        ByteBuffer body = in.body();
        if (body.remaining() < SaveFormat.PAGES_HEADER_BYTES) {
            throw new WireException("a section of pages without a head");
        }
        PageEncoding encoding = PageEncoding.of(body.getInt());
        int runs = body.getInt();
        int limit = body.remaining() / SaveFormat.RUN_BYTES;
        if (runs <= 0 || runs > Math.min(SaveFormat.BATCH_PAGES, limit)) {
            throw new WireException(
                    "a section of " + Integer.toUnsignedString(runs) + " runs of pages");
        }
        ByteBuffer table = body.slice(body.position(), runs * SaveFormat.RUN_BYTES);
        table.order(body.order());
        int count = check(table);
        body.position(body.position() + table.capacity());
        ByteBuffer plain = body;
        if (encoding == PageEncoding.ZSTD) {
            zstd.decompress(body, unpacked, count * SaveFormat.PAGE);
            compressedSections++;
            plain = unpacked.clear().limit(count * SaveFormat.PAGE);
        } else if (body.remaining() != count * SaveFormat.PAGE) {
            throw new WireException(count + " pages in " + body.remaining() + " bytes");
        }
        if (ram != null) {
            place(table, MemorySegment.ofBuffer(plain), ram);
        }
        pages += count;
        sections++;
    }

    /// Checks the runs of a section.
    ///
    /// @return the number of their pages
    private int check(ByteBuffer table) throws WireException {
        int count = 0;
        for (int at = 0; at < table.capacity(); at += SaveFormat.RUN_BYTES) {
            long first = Integer.toUnsignedLong(table.getInt(at));
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
        return count;
    }

    private static void place(ByteBuffer table, MemorySegment pages, MemorySegment ram) {
        long from = 0;
        for (int at = 0; at < table.capacity(); at += SaveFormat.RUN_BYTES) {
            long first = Integer.toUnsignedLong(table.getInt(at));
            long bytes = (long) table.getInt(at + Integer.BYTES) * SaveFormat.PAGE;
            MemorySegment.copy(pages, from, ram, first * SaveFormat.PAGE, bytes);
            from += bytes;
        }
    }

    /// The pages read so far.
    long pages() {
        return pages;
    }

    /// The sections of pages so far.
    long sections() {
        return sections;
    }

    /// Those that were compressed.
    long compressedSections() {
        return compressedSections;
    }

    @Override
    public void close() {
        zstd.close();
        arena.close();
    }
}
