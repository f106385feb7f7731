package io.xenemu.core.migration;

import com.google.common.primitives.ImmutableIntArray;
import com.google.common.primitives.ImmutableLongArray;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.util.BitSet;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// The pages of a saved guest's RAM in a file, which can be read in any order: a section of up to 256 pages at a time.
/// Finding them reads the heads of the sections alone. The checksum of a section is checked when it is read.
///
/// One thread uses it. It does not close the file.
public final class SavedPages implements AutoCloseable {
    /// The longest head of a section of pages.
    private static final int HEAD_BYTES =
            SaveFormat.SECTION_HEADER_BYTES
                    + SaveFormat.PAGES_HEADER_BYTES
                    + SaveFormat.BATCH_PAGES * SaveFormat.RUN_BYTES;

    private static final int SECTION_BYTES =
            SaveFormat.SECTION_HEADER_BYTES + SaveFormat.MAX_PAGES_BYTES + SaveFormat.CRC_BYTES;

    private final FileChannel file;
    private final long start;
    private final Arena arena = Arena.ofShared();
    private final ByteBuffer buffer =
            arena.allocate(SECTION_BYTES, Long.BYTES).asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
    private final PagesBody decoder;
    private final BitSet present = new BitSet();
    private ImmutableLongArray starts = ImmutableLongArray.of();
    private ImmutableIntArray firsts = ImmutableIntArray.of();
    private long end;

    private SavedPages(FileChannel file, long start, long total) {
        this.file = file;
        this.start = start;
        decoder = new PagesBody(total);
    }

    /// Finds the pages again in a file that [SaveReader#findRam] has checked.
    ///
    /// @param start as [#start] says
    /// @param total the number of pages of RAM
    /// @throws WireException if the file has another content now
    public static SavedPages find(FileChannel file, long start, long total) throws IOException {
        return find(file, start, total, null);
    }

    /// Finds the pages.
    ///
    /// @param account takes the sections in, if there is one
    static SavedPages find(
            FileChannel file, long start, long total, @Nullable StreamAccount account)
            throws IOException {
        SavedPages pages = new SavedPages(file, start, total);
        boolean done = false;
        try {
            pages.scan(account);
            done = true;
            return pages;
        } finally {
            if (!done) {
                pages.close();
            }
        }
    }

    private void scan(@Nullable StreamAccount account) throws IOException {
        ImmutableLongArray.Builder sections = ImmutableLongArray.builder();
        ImmutableIntArray.Builder pages = ImmutableIntArray.builder();
        ByteBuffer head =
                ByteBuffer.allocate(SaveFormat.CRC_BYTES + HEAD_BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer last =
                ByteBuffer.allocate(SaveFormat.SECTION_HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        long at = start;
        while (true) {
            // The checksum of the section before comes with the next head.
            read(
                    head.clear(),
                    at - SaveFormat.CRC_BYTES,
                    SaveFormat.CRC_BYTES + SaveFormat.SECTION_HEADER_BYTES);
            if (at > start && account != null) {
                account.section(last, 0, head.getInt(0));
            }
            if (head.getInt(SaveFormat.CRC_BYTES) != SectionType.PAGES.code()) {
                break;
            }
            last.put(0, head, SaveFormat.CRC_BYTES, SaveFormat.SECTION_HEADER_BYTES);
            head.flip().position(SaveFormat.CRC_BYTES);
            int length = sectionHead(head);
            sections.add(at);
            pages.add(Math.toIntExact(decoder.first()));
            boolean _ = decoder.addTo(present);
            at += SaveFormat.SECTION_HEADER_BYTES + length + (long) SaveFormat.CRC_BYTES;
        }
        starts = sections.build();
        firsts = pages.build();
        end = at;
    }

    /// Reads what a section begins with.
    ///
    /// @param from behind its head afterwards; has no more than the section
    /// @return the length of its body
    private int sectionHead(ByteBuffer from) throws WireException {
        int code = from.getInt();
        int version = from.getInt();
        int length = from.getInt();
        if (code != SectionType.PAGES.code()) {
            throw new WireException("a section of pages is not there any more");
        }
        if (version != SaveFormat.VERSION) {
            throw WireException.unknownVersion(
                    "section " + SectionType.PAGES.letters() + ": its", version);
        }
        if (length < 0 || length > SectionType.PAGES.maxBytes()) {
            throw new WireException(
                    "section %s: %s bytes are too many"
                            .formatted(
                                    SectionType.PAGES.letters(), Integer.toUnsignedString(length)));
        }
        from.limit(Math.min(from.limit(), from.position() + length));
        decoder.head(from);
        return length;
    }

    /// Fills a buffer from a place in the file.
    ///
    /// @param least bytes that have to be there
    private void read(ByteBuffer into, long from, int least) throws IOException {
        while (into.hasRemaining()) {
            if (file.read(into, from + into.position()) < 0) {
                break;
            }
        }
        if (into.position() < least) {
            throw new WireException("the saved guest is cut off");
        }
    }

    /// Where the first section is in the file.
    public long start() {
        return start;
    }

    /// Where the first section is that has no pages.
    long end() {
        return end;
    }

    /// The number of pages that the file has. All others are zero.
    public int count() {
        return present.cardinality();
    }

    /// Whether the file has a page.
    public boolean has(int page) {
        return present.get(page);
    }

    /// The first page from `page` on that the file has; -1 if there is none.
    public int next(int page) {
        return present.nextSetBit(page);
    }

    /// The number of sections.
    public int sections() {
        return starts.length();
    }

    /// The section that has a page.
    ///
    /// @param page one that the file has
    public int sectionOf(int page) {
        int low = 0;
        int high = firsts.length() - 1;
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            if (firsts.get(middle) <= page) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return low;
    }

    /// Reads the pages of a section.
    ///
    /// @throws WireException if it is damaged
    public void read(int section, PageRunSink sink) throws IOException {
        long at = starts.get(section);
        long next = section + 1 < starts.length() ? starts.get(section + 1) : end;
        int bytes = Math.toIntExact(next - at);
        read(buffer.clear().limit(bytes), at, bytes);
        int body = bytes - SaveFormat.CRC_BYTES;
        CRC32C crc = new CRC32C();
        crc.update(buffer.flip().limit(body));
        if (buffer.limit(bytes).getInt(body) != (int) crc.getValue()) {
            throw new WireException(
                    "section " + SectionType.PAGES.letters() + ": checksum is wrong");
        }
        buffer.clear().limit(body);
        decoder.goTo(firsts.get(section));
        int _ = sectionHead(buffer);
        decoder.forEach(decoder.pages(buffer), sink);
    }

    @Override
    public void close() {
        decoder.close();
        arena.close();
    }
}
