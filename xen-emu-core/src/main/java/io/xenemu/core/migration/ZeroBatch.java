package io.xenemu.core.migration;

import io.xenemu.kvm.wire.BodyWriter;
import java.io.IOException;

/// Pages of zeros that will be one section without bytes.
final class ZeroBatch {
    private final SectionWriter out;
    private final int[] firsts = new int[SaveFormat.BATCH_PAGES];
    private final int[] counts = new int[SaveFormat.BATCH_PAGES];
    private int runs;
    private int pages;

    ZeroBatch(SectionWriter out) {
        this.out = out;
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
        BodyWriter body = new BodyWriter().u32(SaveFormat.ZEROS).u32(runs);
        for (int i = 0; i < runs; i++) {
            body.u32(firsts[i]).u32(counts[i]);
        }
        out.write(SectionType.PAGES, SaveFormat.VERSION, body);
        runs = 0;
        pages = 0;
    }
}
