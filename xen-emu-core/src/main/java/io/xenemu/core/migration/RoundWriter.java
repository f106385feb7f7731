package io.xenemu.core.migration;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.wire.BodyWriter;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;

/// Writes the RAM of a guest that runs, in rounds. A page may come in any round, and its last content counts. In the
/// first round, pages of zeros are left out; later, they are sections without bytes.
public final class RoundWriter implements AutoCloseable {
    /// The most pages that are taken out of the log at a time, so that little is written again in vain.
    private static final int PIECE_PAGES = 1024;

    /// The pages of a section of missing ones.
    static final int MISSING_PAGES = 1 << 20;

    private static final MemorySegment ZEROS = MemorySegment.ofArray(new byte[SaveFormat.PAGE]);

    private final RamSource ram;
    private final DiskWriter disks;
    private final SectionWriter out;
    private final FurtherWriters further;
    private final WorkProgress progress;
    private Pace pace;
    private final PageBatches batches;
    private final ZeroBatch zeros;

    /// The part of the file around the last page that was looked at: before it is a hole.
    private long dataFrom;

    private long dataTo;

    private int rounds;
    private long pages;

    /// Makes pages count for the next round if they are written from now on.
    @FunctionalInterface
    public interface Forget {
        /// Called before the contents of these pages are read.
        ///
        /// @param from number of the first page
        /// @param to that after the last one
        void pages(long from, long to);
    }

    /// @param disks whose content goes with the guest; closed with this
    /// @param further connections for pages of RAM; closed with this
    RoundWriter(
            RamSource ram,
            DiskWriter disks,
            SectionWriter out,
            FurtherWriters further,
            WorkProgress progress,
            Pace pace) {
        this.further = further;
        this.ram = ram;
        this.disks = disks;
        this.out = out;
        this.progress = progress;
        this.pace = pace;
        batches = disks.batches();
        zeros = new ZeroBatch(out, SectionType.PAGES);
    }

    /// Writes a round: first the blocks of disks that were written since they were sent, which may take long, then
    /// pages of RAM.
    ///
    /// @param wanted the pages
    /// @param forget is told of all of them
    /// @return the number of pages that were written, those of zeros and of disks too
    /// @throws SaveCancelledException if that was asked for
    public long write(BitSet wanted, Forget forget) throws IOException, InterruptedException {
        long before = pages;
        rounds++;
        out.write(SectionType.ROUND, SaveFormat.VERSION, new BodyWriter().u32(rounds));
        further.begin(rounds);
        long ofDisks = disks.pages();
        progress.begin(ofDisks + wanted.cardinality());
        long written = disks.write(rounds, pace, progress);
        dataFrom = 0;
        dataTo = 0;
        long done = ofDisks;
        for (int from = wanted.nextSetBit(0); from >= 0; ) {
            int end = from + PIECE_PAGES;
            forget.pages(from, end);
            while (from >= 0 && from < end) {
                int to = Math.min(end, wanted.nextClearBit(from));
                add(from, to);
                done += to - from;
                from = wanted.nextSetBit(to);
            }
            pace.at(bytes());
            SaveCancelledException.tell(progress, done);
        }
        batches.flush();
        zeros.flush();
        further.end(rounds);
        if (disks.total() > 0) {
            out.write(SectionType.ROUND_END, SaveFormat.VERSION, new BodyWriter().u32(rounds));
        }
        return written + pages - before;
    }

    /// Writes the last round, as fast as the connection takes it: the guest stands still.
    ///
    /// @return as [#write]
    public long writeLast(BitSet wanted, Forget forget) throws IOException, InterruptedException {
        pace = new Pace(0);
        batches.hurry();
        return write(wanted, forget);
    }

    /// Writes which pages follow the guest after it runs at its destination. They are not of the last round, and there
    /// is no other one.
    public void writeMissing(BitSet missing) throws IOException {
        int total = Math.toIntExact(ram.pages().byteSize() / SaveFormat.PAGE);
        for (int first = 0; first < total; first += MISSING_PAGES) {
            long[] words = missing.get(first, Math.min(total, first + MISSING_PAGES)).toLongArray();
            BodyWriter body = new BodyWriter().u64(first).u32(words.length);
            for (long word : words) {
                body.u64(word);
            }
            out.write(SectionType.MISSING, SaveFormat.VERSION, body);
        }
    }

    /// Adds pages that follow one another.
    private void add(long from, long to) throws IOException {
        long end = to * SaveFormat.PAGE;
        for (long at = from * SaveFormat.PAGE; at < end; ) {
            if (at < dataFrom || at >= dataTo) {
                dataFrom = ram.file().nextData(at) / SaveFormat.PAGE * SaveFormat.PAGE;
                dataTo = dataFrom < ram.file().size() ? ram.file().nextHole(dataFrom) : dataFrom;
            }
            if (at < dataFrom) {
                long hole = Math.min(dataFrom, end);
                addZeros(at, hole);
                at = hole;
            } else {
                if (isZero(at)) {
                    addZeros(at, at + SaveFormat.PAGE);
                } else {
                    batches.add(ram.pages(), at);
                    pages++;
                }
                at += SaveFormat.PAGE;
            }
        }
    }

    private void addZeros(long from, long to) throws IOException {
        if (rounds > 1) {
            zeros.add(from / SaveFormat.PAGE, to / SaveFormat.PAGE);
            pages += (to - from) / SaveFormat.PAGE;
        }
    }

    private boolean isZero(long at) {
        return MemorySegment.mismatch(
                        ram.pages(), at, at + SaveFormat.PAGE, ZEROS, 0, SaveFormat.PAGE)
                < 0;
    }

    /// The number of the last round.
    public int round() {
        return rounds;
    }

    /// The number of pages of disks that were written since they were sent.
    public long pagesOfDisks() {
        return disks.pages();
    }

    /// How far the disks are.
    public DiskWriter disks() {
        return disks;
    }

    /// The number of pages of RAM of all rounds.
    long pages() {
        return pages;
    }

    /// The bytes of the stream so far, and of the pages on further connections.
    public long bytes() {
        return out.account().bytes() + further.bytes();
    }

    @Override
    public void close() {
        // No thread writes a section any more when its memory is freed.
        further.close();
        disks.close();
    }
}
