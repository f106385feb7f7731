package io.xenemu.core.migration;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// Reads the pages of RAM. Pages that the stream does not have are not touched, so they stay zero and take no memory.
final class RamReader implements AutoCloseable {
    private final SectionReader in;
    private final WorkProgress progress;
    private final long total;
    private final PagesBody decoder;
    private long pages;
    private long sections;
    private long compressedSections;

    /// @param total the number of all pages, from [#begin]
    RamReader(SectionReader in, WorkProgress progress, long total) {
        this.in = in;
        this.progress = progress;
        this.total = total;
        decoder = new PagesBody(total);
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
    void read(@Nullable MemorySegment ram) throws IOException {
        progress.begin(total);
        while (in.peek() == SectionType.PAGES) {
            in.next(SectionType.PAGES);
            in.requireVersion(SectionType.PAGES);
            section(ram);
            SaveCancelledException.tell(progress, decoder.next());
        }
    }

    /// Reads all rounds of a guest that runs.
    void readRounds(IncomingRam ram) throws IOException {
        progress.begin(total);
        decoder.allowZeros();
        int round = 0;
        while (in.peek() == SectionType.ROUND) {
            in.next(SectionType.ROUND);
            in.requireVersion(SectionType.ROUND);
            BodyReader body = in.fields();
            int number = body.u32();
            body.end();
            round++;
            if (number != round) {
                throw new WireException(
                        "round %s in place of %d"
                                .formatted(Integer.toUnsignedString(number), round));
            }
            while (in.peek() == SectionType.PAGES) {
                in.next(SectionType.PAGES);
                in.requireVersion(SectionType.PAGES);
                // Sections of zeros come between others, so only the pages of a section ascend.
                decoder.goTo(0);
                live(ram);
                SaveCancelledException.tell(progress, Math.min(pages, total));
            }
        }
    }

    private void live(IncomingRam ram) throws IOException {
        ByteBuffer body = in.body();
        decoder.head(body);
        ByteBuffer plain = decoder.pages(body);
        if (decoder.isZero()) {
            decoder.forEachRun(ram::zero);
        } else {
            decoder.forEach(plain, ram::set);
        }
        count();
    }

    private void section(@Nullable MemorySegment ram) throws IOException {
        ByteBuffer body = in.body();
        decoder.head(body);
        ByteBuffer plain = decoder.pages(body);
        if (ram != null) {
            decoder.forEach(
                    plain,
                    (first, run) ->
                            MemorySegment.copy(
                                    run, 0, ram, first * SaveFormat.PAGE, run.byteSize()));
        }
        count();
    }

    private void count() {
        pages += decoder.count();
        sections++;
        if (decoder.isCompressed()) {
            compressedSections++;
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
        decoder.close();
    }
}
