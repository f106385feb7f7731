package io.xenemu.core.migration;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// Pages that will be one section. They are copied, since the copy is in the processor's cache when the checksum, the
/// compressor and the kernel read it. The section's head is put in front of them, so that one write(2) takes all.
final class PageBatch implements AutoCloseable {
    private static final int HEAD_BYTES =
            SaveFormat.SECTION_HEADER_BYTES
                    + SaveFormat.PAGES_HEADER_BYTES
                    + SaveFormat.BATCH_PAGES * SaveFormat.RUN_BYTES;

    private static final int DATA_BYTES = SaveFormat.BATCH_PAGES * SaveFormat.PAGE;

    private final SectionWriter out;
    private final PageEncoding encoding;
    private final Arena arena = Arena.ofShared();
    private final ZstdPages zstd = new ZstdPages();

    /// Room for the head, the pages and the checksum.
    private final ByteBuffer plain;

    private final MemorySegment plainPages;

    /// The same for compressed pages.
    private final ByteBuffer packed;

    private final ByteBuffer plainInput;

    private final long[] firsts = new long[SaveFormat.BATCH_PAGES];
    private final int[] counts = new int[SaveFormat.BATCH_PAGES];
    private int runs;
    private int pages;

    PageBatch(SectionWriter out, PageEncoding encoding) {
        this.out = out;
        this.encoding = encoding;
        MemorySegment memory = arena.allocate(HEAD_BYTES + DATA_BYTES + SaveFormat.CRC_BYTES);
        plain = memory.asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        plainPages = memory.asSlice(HEAD_BYTES, DATA_BYTES);
        plainInput = plainPages.asByteBuffer();
        packed =
                encoding == PageEncoding.NONE
                        ? plain
                        : arena.allocate(
                                        HEAD_BYTES
                                                + ZstdPages.bound(DATA_BYTES)
                                                + SaveFormat.CRC_BYTES)
                                .asByteBuffer()
                                .order(ByteOrder.LITTLE_ENDIAN);
    }

    /// Adds the page of RAM after all that were added. Writes the section when it is full.
    ///
    /// @param offset of the page in RAM
    void add(MemorySegment ram, long offset) throws IOException {
        long number = offset / SaveFormat.PAGE;
        if (runs > 0 && firsts[runs - 1] + counts[runs - 1] == number) {
            counts[runs - 1]++;
        } else {
            firsts[runs] = number;
            counts[runs] = 1;
            runs++;
        }
        MemorySegment.copy(
                ram, offset, plainPages, (long) pages * SaveFormat.PAGE, SaveFormat.PAGE);
        pages++;
        if (pages == SaveFormat.BATCH_PAGES) {
            flush();
        }
    }

    /// Writes the section, unless it is empty.
    void flush() throws IOException {
        if (pages == 0) {
            return;
        }
        int length = pages * SaveFormat.PAGE;
        PageEncoding used = encoding;
        ByteBuffer from = plain;
        if (encoding == PageEncoding.ZSTD) {
            int compressed = zstd.compress(plainInput, length, packed, HEAD_BYTES);
            if (compressed < length) {
                length = compressed;
                from = packed;
            } else {
                used = PageEncoding.NONE;
            }
        }
        int head =
                HEAD_BYTES
                        - runs * SaveFormat.RUN_BYTES
                        - SaveFormat.PAGES_HEADER_BYTES
                        - SaveFormat.SECTION_HEADER_BYTES;
        from.clear().position(head + SaveFormat.SECTION_HEADER_BYTES);
        from.putInt(used.code()).putInt(runs);
        for (int i = 0; i < runs; i++) {
            from.putInt(Math.toIntExact(firsts[i])).putInt(counts[i]);
        }
        out.write(SectionType.PAGES, SaveFormat.VERSION, from, head, HEAD_BYTES + length);
        runs = 0;
        pages = 0;
    }

    @Override
    public void close() {
        zstd.close();
        arena.close();
    }
}
