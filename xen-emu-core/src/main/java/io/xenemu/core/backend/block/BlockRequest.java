package io.xenemu.core.backend.block;

import io.xenemu.gnttab.BackendMappings;
import io.xenemu.gnttab.GrantPages;
import io.xenemu.gnttab.GrantStatus;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.file.IoVectors;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One request in progress: the checked copy of what the guest asked for, the pages that it granted, and the transfers
/// that serve it. Used again for later requests; nothing allocates but the constructor.
///
/// A request is up to three transfers, one after the other: a flush before its data, the data, a flush after it. A read
/// or write can also carry the data of those that follow it on the disk, in one transfer.
final class BlockRequest {
    private static final int SECTOR = DiskStore.SECTOR;

    /// The last sector of a page.
    static final int LAST_SECTOR = 7;

    /// The bit of a discard's flag that asks for a secure one (`BLKIF_DISCARD_SECURE`).
    private static final int SECURE = 1;

    /// The pieces of memory of a transfer, at least: two full requests of Linux, or 64 of a page.
    private static final int MEMORY_PIECES = 64;

    private enum Step {
        FLUSH_BEFORE,
        DATA,
        FLUSH_AFTER
    }

    private final GrantPages pages;

    /// The first and last sector of each page: the low and the high byte.
    private final short[] spans;

    private final DiskTransfer transfer;
    private long id;
    private int operation;
    private BlockOp op = BlockOp.UNKNOWN;
    private long sector;
    private long sectors;
    private Step step = Step.DATA;

    /// The next one of those that are one transfer.
    private @Nullable BlockRequest follower;

    /// Its place among those that were taken, from 1; 0 while it is not in use.
    private long order;

    /// @param capacity the most segments
    /// @param completion called after each transfer
    BlockRequest(SegmentAllocator allocator, int capacity, DiskTransferOf completion) {
        this.pages = new GrantPages(capacity);
        this.spans = new short[capacity];
        this.transfer =
                new DiskTransfer(
                        new IoVectors(allocator, Math.max(capacity, MEMORY_PIECES)),
                        (_, errno) -> completion.completed(this, errno));
    }

    /// Called when a transfer of a request has ended.
    @FunctionalInterface
    interface DiskTransferOf {
        void completed(BlockRequest request, int errno);
    }

    /// Begins a request: takes what every answer contains from the copy of its slot.
    ///
    /// @param number the operation that is answered: the inner one of an indirect request
    void begin(long guestId, int number, long firstSector) {
        id = guestId;
        operation = number;
        op = BlockOp.of(number);
        sector = firstSector;
        sectors = 0;
        follower = null;
        pages.clear();
        transfer.memory().clear();
    }

    /// Takes its place among those in use.
    ///
    /// @param place from 1; 0 if it is not in use any more
    void place(long place) {
        order = place;
    }

    /// Its place among those in use; 0 if it is not in use.
    long place() {
        return order;
    }

    /// What is left to do of it: all.
    BlockState.Request save() {
        List<BlockState.Segment> segments = new ArrayList<>();
        for (int i = 0; i < pages.count(); i++) {
            segments.add(
                    new BlockState.Segment(pages.ref(i), spans[i] & 0xff, spans[i] >> Byte.SIZE));
        }
        long discarded = op == BlockOp.DISCARD ? sectors : 0;
        return new BlockState.Request(id, operation, sector, discarded, segments);
    }

    /// Takes over one that was in flight when it was saved.
    ///
    /// @param saved of at most [#capacity] segments, which are valid
    void restore(BlockState.Request saved) {
        begin(saved.id(), saved.operation(), saved.sector());
        for (BlockState.Segment segment : saved.segments()) {
            spans[pages.count()] = (short) (segment.first() | segment.last() << Byte.SIZE);
            pages.add(segment.ref());
            sectors += segment.last() - segment.first() + 1;
        }
        if (op == BlockOp.DISCARD) {
            sectors = saved.discarded();
        }
    }

    /// Checks one that was taken over, as a new one is checked.
    BlockStatus check(BlockDisk disk) {
        return switch (op) {
            case READ, WRITE, WRITE_BARRIER, FLUSH_DISKCACHE -> checkData(disk);
            case DISCARD -> checkDiscard(disk, 0, sectors);
            case UNKNOWN -> BlockStatus.EOPNOTSUPP;
        };
    }

    /// The most segments.
    int capacity() {
        return spans.length;
    }

    BlockOp op() {
        return op;
    }

    /// Bytes to read or write, or to discard.
    long bytes() {
        return sectors * SECTOR;
    }

    /// Adds segments from a private copy.
    ///
    /// @param count at most [#capacity]
    /// @return whether all of them lie in their pages
    boolean addSegments(MemorySegment from, long offset, int count) {
        for (int i = 0; i < count; i++) {
            long segment = BlockAbi.segment(from, offset + (long) i * BlockAbi.SEGMENT_BYTES);
            int first = BlockAbi.segmentFirst(segment);
            int last = BlockAbi.segmentLast(segment);
            if (first > last || last > LAST_SECTOR) {
                return false;
            }
            spans[i] = (short) (first | last << Byte.SIZE);
            pages.add(BlockAbi.segmentRef(segment));
            sectors += last - first + 1;
        }
        return true;
    }

    /// Checks the operation, and the range of its segments in the disk.
    BlockStatus checkData(BlockDisk disk) {
        if (pages.count() == 0 && op.isPlain()) {
            return BlockStatus.ERROR;
        }
        if (op != BlockOp.READ && !disk.writable()) {
            return BlockStatus.ERROR;
        }
        return pages.count() == 0 || disk.contains(sector, sectors)
                ? BlockStatus.OKAY
                : BlockStatus.ERROR;
    }

    /// Checks a discard and its range.
    ///
    /// @param flag the flags as the guest wrote them
    /// @param count the number of sectors as the guest wrote it
    BlockStatus checkDiscard(BlockDisk disk, int flag, long count) {
        if (!disk.discard() || (flag & SECURE) != 0) {
            return BlockStatus.EOPNOTSUPP;
        }
        if (!disk.contains(sector, count)) {
            return BlockStatus.ERROR;
        }
        sectors = count;
        return BlockStatus.OKAY;
    }

    /// Maps the pages of the data.
    ///
    /// @return whether all could be mapped; else none is
    boolean map(BackendMappings grants) {
        return pages.count() == 0
                || grants.mapPages(pages, DomId.DOM0, op != BlockOp.READ) == GrantStatus.OKAY;
    }

    /// Lists the mapped pages for its own transfer, before it is submitted or carries others.
    void gather() {
        IoVectors memory = transfer.memory();
        memory.clear();
        addTo(memory);
    }

    private void addTo(IoVectors memory) {
        for (int i = 0; i < pages.count(); i++) {
            int first = spans[i] & 0xff;
            int last = spans[i] >> Byte.SIZE;
            memory.add(
                    pages.address(i) + (long) first * SECTOR, (long) (last - first + 1) * SECTOR);
        }
    }

    /// Whether it does the same as another, where that one ends.
    boolean continues(BlockRequest before) {
        return op == before.op && op.isPlain() && sector == before.sector + before.sectors;
    }

    /// Adds another's data to the transfer of this one. The other one is mapped until the transfer has ended.
    ///
    /// @param most bytes of the transfer
    /// @return false if that does not fit
    boolean carry(BlockRequest other, long most) {
        IoVectors memory = transfer.memory();
        if (memory.bytes() + other.bytes() > most || memory.room() < other.pages.count()) {
            return false;
        }
        other.addTo(memory);
        return true;
    }

    /// Another one is the next of those that are one transfer.
    void follow(BlockRequest next) {
        follower = next;
    }

    /// Whether no other one follows it in its transfer.
    boolean isAlone() {
        return follower == null;
    }

    /// Separates it from those that follow it.
    ///
    /// @return the first of them, or null
    @Nullable BlockRequest detach() {
        BlockRequest next = follower;
        follower = null;
        return next;
    }

    /// Submits its own data again, without that of others.
    void submitAlone(DiskStore store) {
        gather();
        run(Step.DATA, store);
    }

    /// Ends the mapping of its pages; nothing if there are none.
    void unmap(BackendMappings grants) {
        if (pages.isMapped()) {
            grants.unmapPages(pages);
        }
    }

    /// Submits its first transfer.
    void submit(DiskStore store) {
        boolean flushes = op == BlockOp.FLUSH_DISKCACHE || op == BlockOp.WRITE_BARRIER;
        run(flushes ? Step.FLUSH_BEFORE : Step.DATA, store);
    }

    /// Submits its next transfer, after one has succeeded.
    ///
    /// @return false if that was the last
    boolean submitNext(DiskStore store) {
        if (step == Step.FLUSH_BEFORE && sectors > 0) {
            run(Step.DATA, store);
            return true;
        }
        if (step == Step.DATA && op == BlockOp.WRITE_BARRIER) {
            run(Step.FLUSH_AFTER, store);
            return true;
        }
        return false;
    }

    private void run(Step next, DiskStore store) {
        step = next;
        if (next == Step.DATA) {
            long length = op.hasSegments() ? transfer.memory().bytes() : bytes();
            transfer.set(dataOp(), sector * SECTOR, length);
        } else {
            transfer.set(DiskOp.FLUSH, 0, 0);
        }
        store.submit(transfer);
    }

    private DiskOp dataOp() {
        return switch (op) {
            case READ -> DiskOp.READ;
            case WRITE, WRITE_BARRIER, FLUSH_DISKCACHE -> DiskOp.WRITE;
            case DISCARD -> DiskOp.DISCARD;
            case UNKNOWN -> throw new IllegalStateException("nothing to do");
        };
    }

    /// Fills a blank answer.
    void answer(MemorySegment answer, BlockStatus status) {
        BlockAbi.answer(answer, id, operation, status);
    }
}
