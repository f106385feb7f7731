package io.xenemu.core.migration;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/// Reads the pages of RAM. Pages that the stream does not have are not touched, so they stay zero and take no memory.
/// Several compressed sections are unpacked at a time. So are all sections of a guest that runs, but never those of
/// different rounds.
final class RamReader implements AutoCloseable {
    private static final ByteBuffer NONE = ByteBuffer.allocate(0);
    private static final SectionWorkers.Work NOTHING = () -> {};

    private final SectionReader in;
    private final FurtherReaders further;
    private final WorkProgress progress;
    private final long total;
    private final SectionWorkers workers = SectionWorkers.ofReader();

    /// A ring: after the one that was begun last comes the oldest. Each worker has a section, and another that waits.
    private final List<Slot> ring = new ArrayList<>();

    private int next;
    private long pages;
    private long sections;
    private long compressedSections;

    /// The last round of a guest that runs.
    private int round;

    /// @param further connections for pages of a guest that runs
    /// @param total the number of all pages, from [#begin]
    RamReader(SectionReader in, FurtherReaders further, WorkProgress progress, long total) {
        this.in = in;
        this.further = further;
        this.progress = progress;
        this.total = total;
    }

    /// A section that is unpacked.
    private static final class Slot {
        private final PagesBody decoder;
        private @Nullable ByteBuffer lent;
        private @Nullable Future<?> unpacking;
        private ByteBuffer unpacked = NONE;

        /// The reading thread's work when the section is unpacked.
        private SectionWorkers.Work then = NOTHING;

        Slot(long total) {
            decoder = new PagesBody(total);
        }
    }

    /// Reads the section that begins RAM.
    ///
    /// @return the number of all pages
    static long begin(SectionReader in) throws IOException {
        in.next(SectionType.RAM);
        in.requireVersion(SectionType.RAM);
        BodyReader body = in.fields();
        int pageBytes = body.u32();
        long total = body.u64();
        body.end();
        if (pageBytes != SaveFormat.PAGE || total < 0 || total > SaveFormat.MAX_RAM_PAGES) {
            throw new WireException(
                    "RAM of %s pages of %s bytes"
                            .formatted(
                                    Long.toUnsignedString(total),
                                    Integer.toUnsignedString(pageBytes)));
        }
        return total;
    }

    /// Reads all pages.
    ///
    /// @param ram takes them; null only checks them
    void read(@Nullable RamSource ram) throws IOException {
        if (ram == null) {
            read((_, _) -> {});
        } else {
            try (WrittenRam written = new WrittenRam(ram.file(), ram.pages())) {
                read(written);
            }
        }
    }

    private void read(PageRunSink sink) throws IOException {
        progress.begin(total);
        for (long from = 0; in.peek() == SectionType.PAGES; ) {
            Slot slot = free();
            PagesBody decoder = slot.decoder;
            decoder.goTo(from);
            ByteBuffer body = head(decoder);
            // This thread alone hands pages over. The kernel lets one at a time write to a file,
            // and bytes that were just
            // read are in this processor's cache.
            if (decoder.isCompressed()) {
                slot.then = () -> decoder.forEach(slot.unpacked, sink);
                unpack(slot, () -> slot.unpacked = decoder.pages(body));
            } else {
                decoder.forEach(decoder.pages(body), sink);
            }
            from = decoder.next();
            SaveCancelledException.tell(progress, from);
        }
        drain();
    }

    /// Reads the sections of the disks whose content comes.
    ///
    /// @param disks that have to come
    static void beginDisks(SectionReader in, List<? extends DiskSink> disks) throws IOException {
        int number = 0;
        for (; in.peek() == SectionType.DISK; number++) {
            in.next(SectionType.DISK);
            in.requireVersion(SectionType.DISK);
            BodyReader body = in.fields();
            int found = body.u32();
            int block = body.u32();
            long bytes = body.u64();
            body.end();
            if (found != number
                    || block != SaveFormat.BLOCK
                    || number >= disks.size()
                    || bytes != disks.get(number).bytes()) {
                throw new WireException(
                        "disk %s of %s bytes in blocks of %s was not announced"
                                .formatted(
                                        Integer.toUnsignedString(found),
                                        Long.toUnsignedString(bytes),
                                        Integer.toUnsignedString(block)));
            }
        }
        if (number != disks.size()) {
            throw new WireException("%d disks of %d".formatted(number, disks.size()));
        }
    }

    /// Reads the next round of a guest that runs.
    ///
    /// @param disks whose content comes in it
    /// @param end of the round, if there are disks
    void readRound(IncomingRam ram, List<? extends DiskSink> disks, SaveReader.RoundEnd end)
            throws IOException {
        progress.begin(total);
        in.next(SectionType.ROUND);
        in.requireVersion(SectionType.ROUND);
        BodyReader body = in.fields();
        int number = body.u32();
        body.end();
        round++;
        if (number != round) {
            throw new WireException(
                    "round %s in place of %d".formatted(Integer.toUnsignedString(number), round));
        }
        BitSet seen = new BitSet();
        further.begin(round, ram, total, seen);
        List<BitSet> seenOfDisks = disks.stream().map(_ -> new BitSet()).toList();
        while (in.peek() == SectionType.BLOCKS) {
            blocks(disks, seenOfDisks);
            SaveCancelledException.tell(progress, Math.min(pages, total));
        }
        while (in.peek() == SectionType.PAGES) {
            live(ram, seen);
            SaveCancelledException.tell(progress, Math.min(pages, total));
        }
        // A page may come again in the next round.
        drain();
        further.await();
        if (!disks.isEmpty()) {
            store(disks);
            end.stored(round);
        }
    }

    private void store(List<? extends DiskSink> disks) throws IOException {
        in.next(SectionType.ROUND_END);
        in.requireVersion(SectionType.ROUND_END);
        BodyReader body = in.fields();
        int number = body.u32();
        body.end();
        if (number != round) {
            throw new WireException(
                    "the end of round %s in round %d"
                            .formatted(Integer.toUnsignedString(number), round));
        }
        for (DiskSink disk : disks) {
            disk.sync();
        }
    }

    /// Reads which pages come later, if any do.
    void readMissing(IncomingRam ram) throws IOException {
        for (long expected = 0; in.peek() == SectionType.MISSING; ) {
            in.next(SectionType.MISSING);
            in.requireVersion(SectionType.MISSING);
            BodyReader body = in.fields();
            long first = body.u64();
            int count = body.count(RoundWriter.MISSING_PAGES / Long.SIZE);
            if (first != expected || first >= total) {
                throw new WireException("missing pages at the wrong place");
            }
            BitSet pages = new BitSet();
            for (int i = 0; i < count; i++) {
                long word = body.u64();
                for (; word != 0; word &= word - 1) {
                    pages.set(i * Long.SIZE + Long.numberOfTrailingZeros(word));
                }
            }
            body.end();
            if (first + pages.length() > total) {
                throw new WireException("missing pages that the guest does not have");
            }
            for (int from = pages.nextSetBit(0); from >= 0; ) {
                int to = pages.nextClearBit(from);
                ram.missing(first + from, first + to);
                from = pages.nextSetBit(to);
            }
            expected += RoundWriter.MISSING_PAGES;
        }
    }

    private void live(IncomingRam ram, BitSet seen) throws IOException {
        Slot slot = free();
        PagesBody decoder = slot.decoder;
        decoder.allowZeros();
        // Sections of zeros come between others, so only the pages of a section ascend.
        decoder.of(total);
        ByteBuffer body = head(decoder);
        see(decoder, seen);
        unpack(
                slot,
                () -> {
                    ByteBuffer plain = decoder.pages(body);
                    if (decoder.isZero()) {
                        decoder.forEachRun(ram::zero);
                    } else {
                        decoder.forEach(plain, ram::set);
                    }
                });
    }

    /// Notes the pages of a section. So nobody writes to one while another thread does.
    ///
    /// @param seen those of the round; guarded by itself
    static void see(PagesBody section, BitSet seen) throws WireException {
        synchronized (seen) {
            if (!section.addTo(seen)) {
                throw new WireException("a page comes twice in a round");
            }
        }
    }

    private void blocks(List<? extends DiskSink> disks, List<BitSet> seen) throws IOException {
        Slot slot = free();
        in.next(SectionType.BLOCKS);
        in.requireVersion(SectionType.BLOCKS);
        ByteBuffer body = in.body();
        int number = body.remaining() < Integer.BYTES ? -1 : body.getInt();
        if (number < 0 || number >= disks.size()) {
            throw new WireException("blocks of a disk that was not announced");
        }
        DiskSink disk = disks.get(number);
        long bytes = disk.bytes();
        PagesBody decoder = slot.decoder;
        decoder.allowZeros();
        decoder.of(pagesOf(bytes));
        decoder.head(body);
        see(decoder, pagesOf(bytes), seen.get(number));
        unpack(
                slot,
                () -> {
                    ByteBuffer plain = decoder.pages(body);
                    if (decoder.isZero()) {
                        decoder.forEachRun((first, count) -> {
                            long at = first * SaveFormat.PAGE;
                            disk.zero(at, cut(bytes, at, (long) count * SaveFormat.PAGE));
                        });
                    } else {
                        decoder.forEach(
                                plain,
                                (first, run) -> {
                                    long at = first * SaveFormat.PAGE;
                                    disk.write(at, run.asSlice(0, cut(bytes, at, run.byteSize())));
                                });
                    }
                });
    }

    /// The pages of a disk, of which the last one may be cut off.
    private static long pagesOf(long bytes) {
        return Math.ceilDiv(bytes, SaveFormat.PAGE);
    }

    private static long cut(long bytes, long at, long length) {
        return Math.min(length, bytes - at);
    }

    /// Notes the blocks of a section. So nobody writes to one while another thread does.
    private static void see(PagesBody section, long total, BitSet seen) throws IOException {
        section.forEachRun((first, count) -> {
            long end = first + count;
            if (first % SaveFormat.BLOCK_PAGES != 0
                    || (end % SaveFormat.BLOCK_PAGES != 0 && end != total)) {
                throw new WireException("a part of a disk's block");
            }
            int from = Math.toIntExact(first / SaveFormat.BLOCK_PAGES);
            int to = Math.toIntExact(Math.ceilDiv(end, SaveFormat.BLOCK_PAGES));
            int there = seen.nextSetBit(from);
            if (there >= 0 && there < to) {
                throw new WireException("a block of a disk comes twice in a round");
            }
            seen.set(from, to);
        });
    }

    /// Waits for a slot to be free.
    private Slot free() throws IOException {
        if (next == ring.size() && next < 2 * workers.count()) {
            ring.add(new Slot(total));
        }
        next %= ring.size();
        Slot slot = ring.get(next);
        await(slot);
        return slot;
    }

    /// Takes the section that was read, and decodes its head.
    ///
    /// @return its body behind that
    private ByteBuffer head(PagesBody decoder) throws IOException {
        in.next(SectionType.PAGES);
        in.requireVersion(SectionType.PAGES);
        ByteBuffer body = in.body();
        decoder.head(body);
        pages += decoder.count();
        sections++;
        if (decoder.isCompressed()) {
            compressedSections++;
        }
        return body;
    }

    /// Begins to unpack the section.
    private void unpack(Slot slot, SectionWorkers.Work work) {
        slot.lent = in.lend();
        slot.unpacking = workers.begin(work);
        next++;
    }

    /// Waits until all sections are unpacked.
    private void drain() throws IOException {
        for (Slot slot : ring) {
            await(slot);
        }
    }

    private void await(Slot slot) throws IOException {
        if (slot.unpacking != null && slot.lent != null) {
            SectionWorkers.await(slot.unpacking);
            slot.unpacking = null;
            SectionWorkers.Work then = slot.then;
            slot.then = NOTHING;
            then.run();
            in.giveBack(slot.lent);
            slot.lent = null;
        }
    }

    /// The pages read so far.
    long pages() {
        return pages + further.pages();
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
        workers.close();
        ring.forEach(slot -> slot.decoder.close());
    }
}
