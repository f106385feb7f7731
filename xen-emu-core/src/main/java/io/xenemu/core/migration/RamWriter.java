package io.xenemu.core.migration;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.wire.BodyWriter;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

/// Writes the pages of RAM that are not zero, in the order of their numbers.
final class RamWriter {
    private static final MemorySegment ZEROS = MemorySegment.ofArray(new byte[SaveFormat.PAGE]);

    private RamWriter() {}

    /// @return the number of pages written
    /// @throws SaveCancelledException if the save is cancelled
    static long write(
            RamSource ram, PageEncoding encoding, SectionWriter out, WorkProgress progress)
            throws IOException {
        MemorySegment pages = ram.pages();
        long size = pages.byteSize();
        begin(out, size);
        progress.begin(size / SaveFormat.PAGE);
        long written = 0;
        try (PageBatch batch = new PageBatch(out, encoding)) {
            long from = nextData(ram, 0);
            while (from < size) {
                long to = Math.min(size, roundUp(ram.file().nextHole(from)));
                // In parts, for those who look at the progress.
                long end = Math.min(to, from + SaveFormat.CHUNK_BYTES);
                written += add(pages, from, end, batch);
                SaveCancelledException.tell(progress, end / SaveFormat.PAGE);
                from = end < to ? end : nextData(ram, to);
            }
            batch.flush();
        }
        SaveCancelledException.tell(progress, size / SaveFormat.PAGE);
        return written;
    }

    /// Writes the section that begins RAM.
    ///
    /// @param bytes of the RAM
    static void begin(SectionWriter out, long bytes) throws IOException {
        out.write(
                SectionType.RAM,
                SaveFormat.VERSION,
                new BodyWriter().u32(SaveFormat.PAGE).u64(bytes / SaveFormat.PAGE));
    }

    private static long nextData(RamSource ram, long from) {
        return ram.file().nextData(from) / SaveFormat.PAGE * SaveFormat.PAGE;
    }

    private static long roundUp(long offset) {
        return (offset + SaveFormat.PAGE - 1) / SaveFormat.PAGE * SaveFormat.PAGE;
    }

    private static long add(MemorySegment pages, long from, long end, PageBatch batch)
            throws IOException {
        long added = 0;
        for (long at = from; at < end; at += SaveFormat.PAGE) {
            if (!isZero(pages, at)) {
                batch.add(pages, at);
                added++;
            }
        }
        return added;
    }

    /// Most pages differ in their first bytes, and then this reads no more of them.
    private static boolean isZero(MemorySegment pages, long at) {
        return MemorySegment.mismatch(pages, at, at + SaveFormat.PAGE, ZEROS, 0, SaveFormat.PAGE)
                < 0;
    }
}
