package io.xenemu.core.migration;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.wire.BodyWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/// Writes the content of a running guest's disks, in the rounds of its RAM. A block may come in any round, and its last
/// content counts. In the first round, blocks of zeros are left out; later, they are sections without bytes.
public final class DiskWriter implements AutoCloseable {
    /// The most blocks that are taken out of a log, and read, at a time.
    private static final int PIECE_BLOCKS = 64;

    private static final MemorySegment ZEROS = MemorySegment.ofArray(new byte[SaveFormat.BLOCK]);

    private final List<? extends DiskSource> disks;
    private final SectionWriter out;
    private final PageBatches batches;
    private final ZeroBatch zeros;
    private final Arena arena = Arena.ofShared();

    /// Aligned for disks whose data goes past the page cache.
    private final MemorySegment piece;

    private final AtomicLong looked = new AtomicLong();
    private final AtomicLong sent = new AtomicLong();
    private long pages;
    private int rounds;

    /// @param further connections for pages of RAM
    DiskWriter(
            List<? extends DiskSource> disks,
            PageEncoding encoding,
            SectionWriter out,
            FurtherWriters further) {
        if (disks.size() > SaveFormat.MAX_DISKS) {
            throw new IllegalArgumentException(disks.size() + " disks");
        }
        this.disks = List.copyOf(disks);
        this.out = out;
        batches = new PageBatches(out, encoding, further);
        zeros = new ZeroBatch(out, SectionType.BLOCKS);
        piece =
                arena.allocate(
                        disks.isEmpty() ? 0 : (long) PIECE_BLOCKS * SaveFormat.BLOCK,
                        SaveFormat.PAGE);
    }

    /// Takes the pages of disks, and between them those of the guest's RAM: so the memory for sections is there once.
    PageBatches batches() {
        return batches;
    }

    /// Writes which disks there are.
    void begin() throws IOException {
        for (int number = 0; number < disks.size(); number++) {
            BodyWriter body = new BodyWriter().u32(number).u32(SaveFormat.BLOCK);
            out.write(SectionType.DISK, SaveFormat.VERSION, body.u64(disks.get(number).bytes()));
        }
    }

    /// The number of pages that have to be sent.
    long pages() {
        long blocks = 0;
        for (DiskSource disk : disks) {
            blocks += disk.written().count();
        }
        return blocks * SaveFormat.BLOCK_PAGES;
    }

    /// The bytes of all disks.
    public long total() {
        return disks.stream().mapToLong(DiskSource::bytes).sum();
    }

    /// The bytes of them that the first round has looked at. Any thread.
    public long looked() {
        return looked.get();
    }

    /// The bytes of blocks that were sent, in all rounds, those of zeros not counted. Any thread.
    public long sent() {
        return sent.get();
    }

    /// Writes what has to be sent in a round.
    ///
    /// @param round its number
    /// @return the number of pages that were written, those of zeros too
    /// @throws SaveCancelledException if that was asked for
    long write(int round, Pace pace, WorkProgress progress)
            throws IOException, InterruptedException {
        long before = pages;
        rounds = round;
        long done = 0;
        for (int number = 0; number < disks.size(); number++) {
            DiskSource disk = disks.get(number);
            BlockLog log = disk.written();
            zeros.ofDisk(number);
            for (long block = log.next(0); block >= 0; ) {
                long end = log.take(block, PIECE_BLOCKS);
                write(number, block, end);
                done += (end - block) * SaveFormat.BLOCK_PAGES;
                if (round == 1) {
                    looked.addAndGet(
                            Math.min(disk.bytes(), end * SaveFormat.BLOCK)
                                    - block * SaveFormat.BLOCK);
                }
                pace.at(out.account().bytes());
                SaveCancelledException.tell(progress, done);
                block = log.next(end);
            }
            batches.flush();
            zeros.flush();
        }
        return pages - before;
    }

    /// Writes blocks that were taken. What they have now counts.
    private void write(int number, long first, long end) throws IOException, InterruptedException {
        DiskSource disk = disks.get(number);
        long from = first * SaveFormat.BLOCK;
        long to = Math.min(disk.bytes(), end * SaveFormat.BLOCK);
        // Asked after the blocks were taken, so that a write to a hole is not missed.
        long data = Math.min(to, disk.nextData(from)) / SaveFormat.BLOCK * SaveFormat.BLOCK;
        if (data > from) {
            addZeros(from, data);
        }
        if (data >= to) {
            return;
        }
        MemorySegment read = piece.asSlice(0, to - data);
        disk.read(data, read);
        // The last page may be cut off.
        long padded = Math.ceilDiv(to - data, SaveFormat.PAGE) * SaveFormat.PAGE;
        piece.asSlice(to - data, padded - (to - data)).fill((byte) 0);
        for (long at = 0; at < padded; at += SaveFormat.BLOCK) {
            long stop = Math.min(padded, at + SaveFormat.BLOCK);
            if (MemorySegment.mismatch(piece, at, stop, ZEROS, 0, stop - at) < 0) {
                addZeros(data + at, data + stop);
            } else {
                add(number, data, at, stop);
            }
        }
    }

    private void add(int number, long data, long from, long to) throws IOException {
        for (long at = from; at < to; at += SaveFormat.PAGE) {
            batches.add(number, piece, at, (data + at) / SaveFormat.PAGE);
        }
        pages += (to - from) / SaveFormat.PAGE;
        sent.addAndGet(to - from);
    }

    private void addZeros(long from, long to) throws IOException {
        if (rounds > 1) {
            long end = Math.ceilDiv(to, SaveFormat.PAGE);
            zeros.add(from / SaveFormat.PAGE, end);
            pages += end - from / SaveFormat.PAGE;
        }
    }

    @Override
    public void close() {
        batches.close();
        arena.close();
    }
}
