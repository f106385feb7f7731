package io.xenemu.core.migration;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.wire.BodyWriter;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;

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
        try (PageBatches batches = new PageBatches(out, encoding, new FurtherWriters(List.of()))) {
            for (long from = nextData(ram, 0); from < size; ) {
                // Once for all of it: the kernel looks at each page up to the hole.
                long to = Math.min(size, roundUp(ram.file().nextHole(from)));
                // In parts, for those who look at the progress.
                for (long at = from; at < to; at += SaveFormat.CHUNK_BYTES) {
                    long end = Math.min(to, at + SaveFormat.CHUNK_BYTES);
                    written += add(pages, at, end, batches);
                    SaveCancelledException.tell(progress, end / SaveFormat.PAGE);
                }
                from = nextData(ram, to);
            }
            batches.flush();
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

    private static long add(MemorySegment pages, long from, long end, PageBatches batches)
            throws IOException {
        long added = 0;
        for (long at = from; at < end; at += SaveFormat.PAGE) {
            if (!isZero(pages, at)) {
                batches.add(pages, at);
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
