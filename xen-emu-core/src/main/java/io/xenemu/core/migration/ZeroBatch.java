package io.xenemu.core.migration;

import io.xenemu.kvm.wire.BodyWriter;
import java.io.IOException;

/// Pages of zeros of RAM or of a disk that will be one section without bytes.
final class ZeroBatch {
    private final SectionWriter out;
    private final int[] firsts = new int[SaveFormat.BATCH_PAGES];
    private final int[] counts = new int[SaveFormat.BATCH_PAGES];
    private final SectionType type;
    private int disk;
    private int runs;
    private int pages;

    /// @param type of the sections: of RAM or of a disk
    ZeroBatch(SectionWriter out, SectionType type) {
        this.out = out;
        this.type = type;
    }

    /// Sets the disk of the pages that are added from now on. It is empty.
    void ofDisk(int number) {
        disk = number;
    }

    /// Adds pages after all that were added. Writes each section that is full.
    ///
    /// @param from number of the first page
    /// @param to that after the last one
    void add(long from, long to) throws IOException {
        for (long at = from; at < to; ) {
            int run = Math.toIntExact(Math.min(to - at, SaveFormat.BATCH_PAGES - pages));
            firsts[runs] = Math.toIntExact(at);
            counts[runs] = run;
            runs++;
            pages += run;
            at += run;
            if (pages == SaveFormat.BATCH_PAGES) {
                flush();
            }
        }
    }

    /// Writes the section, unless it is empty.
    void flush() throws IOException {
        if (runs == 0) {
            return;
        }
        BodyWriter body = new BodyWriter();
        if (type == SectionType.BLOCKS) {
            body.u32(disk);
        }
        body.u32(SaveFormat.ZEROS).u32(runs);
        for (int i = 0; i < runs; i++) {
            body.u32(firsts[i]).u32(counts[i]);
        }
        out.write(type, SaveFormat.VERSION, body);
        runs = 0;
        pages = 0;
    }
}
