package io.xenemu.core.migration;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/// Pages of RAM or of a disk that will be one section. They are copied, so that the guest may go on to change them. The
/// section's head is put in front of them, so that one write(2) takes all.
///
/// It is filled, written, and then filled again. Another thread may compress it, even while it is written as it is.
final class PageBatch implements AutoCloseable {
    /// Bytes of a disk's number.
    private static final int DISK_BYTES = Integer.BYTES;

    private static final int HEAD_BYTES =
            SaveFormat.SECTION_HEADER_BYTES
                    + DISK_BYTES
                    + SaveFormat.PAGES_HEADER_BYTES
                    + SaveFormat.BATCH_PAGES * SaveFormat.RUN_BYTES;

    private static final int DATA_BYTES = SaveFormat.BATCH_PAGES * SaveFormat.PAGE;

    private final Arena arena = Arena.ofShared();
    private final ZstdPages zstd = new ZstdPages();

    /// Room for the head, the pages and the checksum.
    private final ByteBuffer plain;

    private final MemorySegment plainPages;

    /// The same for compressed pages, once there were some.
    private @Nullable ByteBuffer packed;

    private final ByteBuffer plainInput;

    private final long[] firsts = new long[SaveFormat.BATCH_PAGES];
    private final int[] counts = new int[SaveFormat.BATCH_PAGES];
    private SectionType type = SectionType.PAGES;
    private int disk;
    private int runs;
    private int pages;

    /// A section that is ready to be written.
    ///
    /// @param start where it begins
    /// @param length of its pages, in bytes
    record Section(ByteBuffer buffer, int start, int length) {}

    PageBatch() {
        plain = allocate(DATA_BYTES);
        plainPages =
                MemorySegment.ofBuffer(plain.duplicate().position(HEAD_BYTES))
                        .asSlice(0, DATA_BYTES);
        plainInput = plainPages.asByteBuffer();
    }

    private ByteBuffer allocate(int dataBytes) {
        return arena.allocate(HEAD_BYTES + dataBytes + SaveFormat.CRC_BYTES)
                .asByteBuffer()
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    /// Takes pages of RAM from now on. It is empty, or has such pages.
    void ofRam() {
        type = SectionType.PAGES;
    }

    /// Takes pages of a disk from now on. It is empty, or has pages of this one.
    void ofDisk(int number) {
        type = SectionType.BLOCKS;
        disk = number;
    }

    /// Adds a page after all that were added, while it is not full.
    ///
    /// @param offset of the page in memory
    /// @param number of the page in RAM, or in the disk
    void add(MemorySegment memory, long offset, long number) {
        if (runs > 0 && firsts[runs - 1] + counts[runs - 1] == number) {
            counts[runs - 1]++;
        } else {
            firsts[runs] = number;
            counts[runs] = 1;
            runs++;
        }
        MemorySegment.copy(
                memory, offset, plainPages, (long) pages * SaveFormat.PAGE, SaveFormat.PAGE);
        pages++;
    }

    /// Whether it has pages of RAM.
    boolean isOfRam() {
        return type == SectionType.PAGES;
    }

    boolean isFull() {
        return pages == SaveFormat.BATCH_PAGES;
    }

    boolean isEmpty() {
        return pages == 0;
    }

    /// The bytes of the pages as they are.
    int bytes() {
        return pages * SaveFormat.PAGE;
    }

    /// The pages as they are.
    Section plain() {
        return section(plain, PageEncoding.NONE, bytes());
    }

    /// The pages compressed.
    ///
    /// @return null if they do not become shorter
    /// @throws IOException if the library for that cannot be loaded
    @Nullable Section compressed() throws IOException {
        int length = bytes();
        ByteBuffer to = packed;
        if (to == null) {
            to = allocate(ZstdPages.bound(DATA_BYTES));
            packed = to;
        }
        int compressed = zstd.compress(plainInput, length, to, HEAD_BYTES);
        return compressed < length ? section(to, PageEncoding.ZSTD, compressed) : null;
    }

    private Section section(ByteBuffer in, PageEncoding encoding, int length) {
        boolean isOfDisk = type == SectionType.BLOCKS;
        int start =
                HEAD_BYTES
                        - (isOfDisk ? DISK_BYTES : 0)
                        - runs * SaveFormat.RUN_BYTES
                        - SaveFormat.PAGES_HEADER_BYTES
                        - SaveFormat.SECTION_HEADER_BYTES;
        in.clear().position(start + SaveFormat.SECTION_HEADER_BYTES);
        if (isOfDisk) {
            in.putInt(disk);
        }
        in.putInt(encoding.code()).putInt(runs);
        for (int i = 0; i < runs; i++) {
            in.putInt(Math.toIntExact(firsts[i])).putInt(counts[i]);
        }
        SectionWriter.seal(type, SaveFormat.VERSION, in, start, HEAD_BYTES + length);
        return new Section(in, start, length);
    }

    /// Lets it be filled again.
    void clear() {
        runs = 0;
        pages = 0;
    }

    @Override
    public void close() {
        zstd.close();
        arena.close();
    }
}
