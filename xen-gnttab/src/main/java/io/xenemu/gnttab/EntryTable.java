package io.xenemu.gnttab;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// The pages of a grant table, their version, and the record of the entries in use.
///
/// Growing and changing the version take this object's monitor. Changing the version also takes every block's lock,
/// in ascending order, so that the version is stable while any one of them is held.
final class EntryTable {
    /// Pages that a table has at first, as in Xen.
    private static final int INITIAL_FRAMES = 1;

    private final GrantLimits limits;
    private final TablePages pages;
    private final GrantTableMetrics metrics;
    private volatile ActiveEntries[] blocks = {};
    private volatile Entries entries = new V1Entries(new MemorySegment[0]);

    @GuardedBy("this")
    private MemorySegment[] frames = {};

    @GuardedBy("this")
    private MemorySegment[] statusFrames = {};

    EntryTable(GrantLimits limits, TablePages pages, GrantTableMetrics metrics) {
        this.limits = limits;
        this.pages = pages;
        this.metrics = metrics;
        synchronized (this) {
            grow(INITIAL_FRAMES);
        }
    }

    /// The block of a reference, whose lock the caller takes; null if the reference is beyond the table in any
    /// version.
    @Nullable ActiveEntries block(int ref) {
        ActiveEntries[] table = blocks;
        int index = ref >>> Integer.numberOfTrailingZeros(ActiveEntries.SIZE);
        return index < table.length ? table[index] : null;
    }

    /// The entries. The caller holds a block's lock.
    Entries entries() {
        return entries;
    }

    int version() {
        return entries.version();
    }

    synchronized int frames() {
        return frames.length;
    }

    synchronized int statusFrames() {
        return statusFrames.length;
    }

    /// Makes the table at least `count` frames large, in the current version.
    ///
    /// @param count 1 to the limit
    synchronized void growTo(int count) {
        if (count > frames.length) {
            grow(count);
        }
    }

    /// Makes status frame `index` exist, by adding the grant frames that go with it.
    ///
    /// @throws XenError `EINVAL` in version 1, or beyond the limit
    synchronized void growToStatusFrame(int index) throws XenError {
        if (version() != 2 || index < 0 || index >= limits.maxStatusFrames()) {
            throw XenError.EINVAL;
        }
        if (index >= statusFrames.length) {
            int count = V2Entries.pagesFor(index + 1);
            if (count > limits.maxGrantFrames()) {
                throw XenError.EINVAL;
            }
            growTo(count);
        }
    }

    @GuardedBy("this")
    private void grow(int count) {
        MemorySegment[] grown = Arrays.copyOf(frames, count);
        ActiveEntries[] grownBlocks = Arrays.copyOf(blocks, count);
        for (int i = frames.length; i < count; i++) {
            grown[i] = pages.grantFrame(i);
            grownBlocks[i] = new ActiveEntries();
        }
        frames = grown;
        blocks = grownBlocks;
        publish(version());
        metrics.frames(count);
    }

    /// Makes the entries visible, with the number of status frames that the version needs.
    @GuardedBy("this")
    private void publish(int version) {
        if (version == 1) {
            entries = new V1Entries(frames);
            statusFrames = new MemorySegment[0];
            return;
        }
        int old = statusFrames.length;
        MemorySegment[] grown = Arrays.copyOf(statusFrames, V2Entries.statusPages(frames.length));
        for (int i = old; i < grown.length; i++) {
            grown[i] = pages.statusFrame(i);
        }
        statusFrames = grown;
        entries = new V2Entries(frames, grown);
    }

    /// Takes over the pages of a saved domain as they are, in a version.
    synchronized void restore(int version, int count) {
        growTo(count);
        publish(version);
    }

    /// Changes the version. The first 8 entries keep their grants and their uses.
    ///
    /// @throws XenError `EBUSY` another entry is in use; `ERANGE` a change from 2 to 1, and one of the first 8 has no
    ///     form in version 1
    void setVersion(int version) throws XenError {
        synchronized (this) {
            if (version == version()) {
                return;
            }
            ActiveEntries[] table = blocks;
            for (ActiveEntries block : table) {
                block.lock.lock();
            }
            try {
                requireUnused(table);
                change(version);
            } finally {
                for (ActiveEntries block : table) {
                    block.lock.unlock();
                }
            }
        }
        if (version == 1) {
            pages.removeStatusFrames();
        }
    }

    private static void requireUnused(ActiveEntries[] table) throws XenError {
        int first = GrantRef.RESERVED;
        for (ActiveEntries block : table) {
            for (int i = first; i < ActiveEntries.SIZE; i++) {
                if (block.isPinned(i)) {
                    throw XenError.EBUSY;
                }
            }
            first = 0;
        }
    }

    @GuardedBy("this")
    private void change(int version) throws XenError {
        GrantEntry[] reserved = new GrantEntry[GrantRef.RESERVED];
        int[] domids = new int[GrantRef.RESERVED];
        for (int i = 0; i < GrantRef.RESERVED; i++) {
            reserved[i] = new GrantEntry();
            entries.read(i, reserved[i]);
            boolean remains = version == 2 || isOfVersionOne(reserved[i]);
            reserved[i].flags = remains ? entries.flagsAndStatus(i) : 0;
            domids[i] = entries.domid(i);
        }
        for (MemorySegment frame : frames) {
            frame.fill((byte) 0);
        }
        statusFrames = new MemorySegment[0];
        publish(version);
        for (MemorySegment frame : statusFrames) {
            frame.fill((byte) 0);
        }
        for (int i = 0; i < GrantRef.RESERVED; i++) {
            if (version == 2 || reserved[i].flags != 0) {
                entries.write(i, reserved[i].flags, domids[i], reserved[i].frame);
            }
        }
    }

    /// Whether a version 2 entry can stay in version 1: grants of whole pages can, others become invalid.
    private static boolean isOfVersionOne(GrantEntry entry) throws XenError {
        boolean isOfPage = (entry.flags & Gtf.TYPE_MASK) == Gtf.PERMIT_ACCESS;
        if (entry.isTransitive() || (isOfPage && entry.frame >>> Integer.SIZE != 0)) {
            throw XenError.ERANGE;
        }
        return isOfPage;
    }

    /// `GNTTABOP_swap_grant_ref`.
    GrantStatus swap(int a, int b) {
        ActiveEntries blockA = block(a);
        ActiveEntries blockB = block(b);
        if (blockA == null || blockB == null) {
            return GrantStatus.BAD_GNTREF;
        }
        boolean ascending = Integer.compareUnsigned(a, b) <= 0;
        ActiveEntries first = ascending ? blockA : blockB;
        ActiveEntries second = ascending ? blockB : blockA;
        first.lock.lock();
        try {
            second.lock.lock();
            try {
                return swapLocked(blockA, a, blockB, b);
            } finally {
                second.lock.unlock();
            }
        } finally {
            first.lock.unlock();
        }
    }

    private GrantStatus swapLocked(ActiveEntries blockA, int a, ActiveEntries blockB, int b) {
        Entries table = entries;
        if (a >= table.count() || b >= table.count()) {
            return GrantStatus.BAD_GNTREF;
        }
        if (a == b) {
            return GrantStatus.OKAY;
        }
        if (blockA.isPinned(a % ActiveEntries.SIZE) || blockB.isPinned(b % ActiveEntries.SIZE)) {
            return GrantStatus.EAGAIN;
        }
        table.swap(a, b);
        return GrantStatus.OKAY;
    }

    /// Writes a grant of a whole page for the guest.
    void seed(int ref, int domid, long gfn) {
        ActiveEntries block = blocks[0];
        block.lock.lock();
        try {
            entries.write(ref, Gtf.PERMIT_ACCESS, domid, gfn);
        } finally {
            block.lock.unlock();
        }
    }
}
