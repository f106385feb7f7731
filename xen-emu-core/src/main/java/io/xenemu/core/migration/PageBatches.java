package io.xenemu.core.migration;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;

/// Writes pages as sections, in the order in which they were added. A section is compressed if another thread has the
/// time for that before the stream has taken the sections in front of it, and is written as it is otherwise. So the
/// writer does not wait for a compressor. Where the stream is slow, the compressors have time for all sections. Where
/// compressing takes more time than it saves ([PackingGain]), only a few are tried.
final class PageBatches implements AutoCloseable {
    /// The most sections from the one that is written next to the one that is filled, so that a compressor has the time
    /// in which the others are written as they are.
    private static final int SECTIONS = 8;

    /// The most sections that are not compressed after one for which it was not worth it.
    private static final int MOST_PLAIN = 64;

    private final SectionWriter out;
    private final FurtherWriters further;
    private final PageEncoding encoding;
    private final SectionWorkers workers = SectionWorkers.ofWriter();

    /// The compressors that have nothing to do.
    private final Semaphore idle = new Semaphore(workers.count());

    private final List<Slot> all = new ArrayList<>();
    private final Deque<Slot> free = new ArrayDeque<>();

    /// Those that are full, in the order of the stream.
    private final Deque<Slot> full = new ArrayDeque<>();

    /// Those that were written while they were still compressed, or go over a further connection.
    private final List<Slot> late = new ArrayList<>();

    private Slot filled;

    private final PackingGain gain = new PackingGain(workers.count());

    /// Twice as many sections are not compressed after each that came too late, or has saved less time than it took: so
    /// no processor works in vain.
    private int pause;

    private int pauseLeft;

    /// Whether somebody waits for each section.
    private boolean hurries;

    private static final class Slot {
        private final PageBatch batch = new PageBatch();
        private @Nullable Future<?> compressing;

        /// The result of that, if it is shorter.
        private PageBatch.@Nullable Section compressed;

        /// The section's way over a further connection.
        private @Nullable Future<?> sending;

        /// How long compressing took, in ns.
        private long packing;

        boolean isReady() {
            return (compressing == null || compressing.isDone())
                    && (sending == null || sending.isDone());
        }
    }

    /// @param further connections for pages of RAM
    PageBatches(SectionWriter out, PageEncoding encoding, FurtherWriters further) {
        this.out = out;
        this.further = further;
        this.encoding = encoding;
        filled = newSlot();
    }

    private Slot newSlot() {
        Slot slot = new Slot();
        all.add(slot);
        return slot;
    }

    /// Adds a page of RAM. Its content counts at this moment. Pages of disks come before or after a [#flush].
    ///
    /// @param offset of the page in RAM, behind all that were added since the last [#flush]
    void add(MemorySegment ram, long offset) throws IOException {
        filled.batch.ofRam();
        add(ram, offset, offset / SaveFormat.PAGE);
    }

    /// Adds a page of a disk. The pages of another one come after a [#flush].
    ///
    /// @param disk its number
    /// @param offset of the page in memory
    /// @param number of the page, behind all that were added since the last [#flush]
    void add(int disk, MemorySegment memory, long offset, long number) throws IOException {
        filled.batch.ofDisk(disk);
        add(memory, offset, number);
    }

    private void add(MemorySegment memory, long offset, long number) throws IOException {
        filled.batch.add(memory, offset, number);
        if (filled.batch.isFull()) {
            pack();
            filled = next();
        }
    }

    /// The sections from now on are waited for.
    void hurry() {
        hurries = true;
    }

    private boolean isTried() {
        return encoding == PageEncoding.ZSTD && (!hurries || gain.isWorthWaiting());
    }

    /// Writes all pages.
    void flush() throws IOException {
        if (!filled.batch.isEmpty()) {
            pack();
            filled = next();
        }
        while (!full.isEmpty()) {
            Slot slot = full.remove();
            PageBatch.Section compressed = section(slot);
            boolean _ = isWorth(slot, compressed);
            write(slot, compressed);
        }
        for (Slot slot : late) {
            awaitSent(slot);
        }
    }

    private void pack() {
        if (pauseLeft > 0) {
            pauseLeft--;
        } else if (isTried() && idle.tryAcquire()) {
            Slot slot = filled;
            slot.compressing =
                    workers.begin(() -> {
                        long begun = System.nanoTime();
                        try {
                            slot.compressed = slot.batch.compressed();
                            slot.packing = System.nanoTime() - begun;
                        } finally {
                            idle.release();
                        }
                    });
        }
        full.add(filled);
    }

    /// A slot that is empty.
    private Slot next() throws IOException {
        for (Iterator<Slot> i = late.iterator(); i.hasNext(); ) {
            Slot slot = i.next();
            if (slot.isReady()) {
                i.remove();
                PageBatch.Section _ = section(slot);
                awaitSent(slot);
                empty(slot);
            }
        }
        while (free.isEmpty()) {
            if (full.size() < SECTIONS) {
                return newSlot();
            }
            Slot slot = full.remove();
            if (!slot.isReady()) {
                pauseMore();
                write(slot, null);
                continue;
            }
            PageBatch.Section compressed = section(slot);
            if (isWorth(slot, compressed)) {
                pause = 0;
            } else if (slot.compressing != null) {
                pauseMore();
            }
            write(slot, compressed);
        }
        return free.remove();
    }

    /// Whether it was worth it to compress a section.
    private boolean isWorth(Slot slot, PageBatch.@Nullable Section compressed) {
        if (slot.compressing == null) {
            return false;
        }
        int packed = compressed == null ? slot.batch.bytes() : compressed.length();
        return gain.isWorth(slot.batch.bytes(), packed, slot.packing);
    }

    private void pauseMore() {
        pause = Math.min(MOST_PLAIN, 2 * pause + SECTIONS);
        pauseLeft = pause;
    }

    /// What a slot was compressed to, after a wait.
    ///
    /// @return null if it is written as it is
    private static PageBatch.@Nullable Section section(Slot slot) throws IOException {
        if (slot.compressing != null) {
            SectionWorkers.await(slot.compressing);
        }
        return slot.compressed;
    }

    private void write(Slot slot, PageBatch.@Nullable Section compressed) throws IOException {
        PageBatch.Section section = compressed == null ? slot.batch.plain() : compressed;
        slot.sending = slot.batch.isOfRam() ? further.offer(section) : null;
        if (slot.sending == null) {
            long begun = System.nanoTime();
            out.writeSealed(section.buffer(), section.start());
            // The others take as much meanwhile.
            int streams = 1 + further.count();
            gain.took(section.length() * streams, System.nanoTime() - begun);
        }
        if (slot.isReady()) {
            empty(slot);
        } else {
            late.add(slot);
        }
    }

    /// Waits until a further connection has taken the section, if it goes over one.
    private static void awaitSent(Slot slot) throws IOException {
        if (slot.sending != null) {
            SectionWorkers.await(slot.sending);
        }
    }

    private void empty(Slot slot) {
        slot.compressing = null;
        slot.sending = null;
        slot.compressed = null;
        slot.batch.clear();
        free.add(slot);
    }

    @Override
    public void close() {
        workers.close();
        all.forEach(slot -> slot.batch.close());
    }
}
