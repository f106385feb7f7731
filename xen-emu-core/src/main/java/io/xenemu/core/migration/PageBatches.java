package io.xenemu.core.migration;

import com.google.common.util.concurrent.Futures;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;

/// Writes pages as sections, in the order in which they were added. A section is compressed if another thread has the
/// time for that, and is written as it is otherwise: so the writer hardly ever waits for a compressor. Where the stream
/// is slow, the compressors have time for all of them.
final class PageBatches implements AutoCloseable {
    /// The sections from one that is being compressed to the one that is filled. As many can be written as they are
    /// while it is compressed.
    private static final int SECTIONS = 8;

    private final SectionWriter out;
    private final PageEncoding encoding;
    private final SectionWorkers workers = new SectionWorkers();

    /// A ring: after the one that is filled comes the oldest that is packed.
    private final List<Slot> ring = new ArrayList<>();

    private int filled;

    /// The compressors that have nothing to do.
    private final Semaphore idle = new Semaphore(workers.count());

    private static final class Slot {
        private final PageBatch batch = new PageBatch();
        private @Nullable Future<?> packing;
    }

    PageBatches(SectionWriter out, PageEncoding encoding) {
        this.out = out;
        this.encoding = encoding;
        ring.add(new Slot());
    }

    /// Adds a page of RAM. Its content counts at this moment.
    ///
    /// @param offset of the page in RAM, behind all that were added since the last [#flush]
    void add(MemorySegment ram, long offset) throws IOException {
        PageBatch batch = ring.get(filled).batch;
        batch.add(ram, offset);
        if (batch.isFull()) {
            pack();
        }
    }

    /// Writes all pages.
    void flush() throws IOException {
        if (!ring.get(filled).batch.isEmpty()) {
            pack();
        }
        for (int i = 0; i < ring.size(); i++) {
            write(ring.get((filled + i) % ring.size()));
        }
    }

    /// Packs the section, and makes room for the next one.
    private void pack() throws IOException {
        Slot full = ring.get(filled);
        full.packing = begin(full.batch);
        filled++;
        if (filled == ring.size() && filled < SECTIONS) {
            ring.add(new Slot());
        }
        filled %= ring.size();
        write(ring.get(filled));
    }

    private Future<?> begin(PageBatch batch) throws IOException {
        if (encoding == PageEncoding.NONE || !idle.tryAcquire()) {
            batch.pack(PageEncoding.NONE);
            return Futures.immediateVoidFuture();
        }
        return workers.begin(() -> {
            try {
                batch.pack(encoding);
            } finally {
                idle.release();
            }
        });
    }

    private void write(Slot slot) throws IOException {
        if (slot.packing != null) {
            SectionWorkers.await(slot.packing);
            slot.packing = null;
            slot.batch.write(out);
        }
    }

    @Override
    public void close() {
        workers.close();
        ring.forEach(slot -> slot.batch.close());
    }
}
