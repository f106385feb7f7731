package io.xenemu.core.memory;

import io.xenemu.core.host.HostBudget;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.LongPredicate;

/// The pages of other domains that the guest sees, and the service does not. Not thread-safe: the monitor of
/// [DomainMemory] guards it.
final class ForeignOverlays {
    private final AddressSpace space;
    private final SpecialOverlays special;
    private final HostBudget.Share mappings;

    /// The machine frame number of the page at each frame.
    private final Map<Long, Long> mfns = new HashMap<>();

    /// The frames whose page the guest may only read.
    private final Set<Long> readOnly = new HashSet<>();

    ForeignOverlays(AddressSpace space, SpecialOverlays special, HostBudget.Share mappings) {
        this.space = space;
        this.special = special;
        this.mappings = mappings;
    }

    /// Whether a frame has a page of another domain.
    ///
    /// @param gfn any 64 bits
    boolean isAt(long gfn) {
        return mfns.containsKey(gfn);
    }

    /// Whether a frame has a page of another domain that the guest may only read.
    ///
    /// @param gfn any 64 bits
    boolean isReadOnly(long gfn) {
        return readOnly.contains(gfn);
    }

    /// Whether there is no such page.
    boolean isEmpty() {
        return mfns.isEmpty();
    }

    /// See [DomainPhysmap#place].
    boolean place(
            long gfn,
            long mfn,
            int count,
            MemFd file,
            long offset,
            boolean isReadOnly,
            LongPredicate inUse) {
        for (int i = 0; i < count; i++) {
            if (!AddressSpace.isPossible(gfn + i) || mfns.containsKey(gfn + i)) {
                return false;
            }
        }
        long splits = (long) count * PhysicalRange.SPLITS;
        if (!mappings.take(splits)) {
            return false;
        }
        boolean placed = false;
        try {
            PhysicalRange range = space.make(gfn * GuestMemory.PAGE_SIZE);
            if (!range.contains(gfn * GuestMemory.PAGE_SIZE, count)) {
                return false;
            }
            for (int i = 0; i < count; i++) {
                special.evict(gfn + i);
                // As in Xen, the domain owns a lost page of RAM until its end.
                boolean _ = space.takeDisplaced(gfn + i, inUse);
            }
            space.showToGuest(range, gfn, count, file, offset, isReadOnly);
            for (int i = 0; i < count; i++) {
                mfns.put(gfn + i, mfn + i);
                if (isReadOnly) {
                    readOnly.add(gfn + i);
                }
            }
            placed = true;
        } catch (XenError e) {
            return false;
        } finally {
            if (!placed) {
                mappings.give(splits);
            }
        }
        return true;
    }

    /// See [DomainPhysmap#remove].
    boolean remove(long gfn, long[] pages, int count) {
        for (int i = 0; i < count; i++) {
            Long there = mfns.get(gfn + i);
            if (there == null || there != pages[i]) {
                return false;
            }
        }
        PhysicalRange range = space.existing(gfn * GuestMemory.PAGE_SIZE);
        if (!range.contains(gfn * GuestMemory.PAGE_SIZE, count)) {
            return false;
        }
        for (int i = 0; i < count; i++) {
            mfns.remove(gfn + i);
            readOnly.remove(gfn + i);
        }
        space.uncoverForGuest(range, gfn, count);
        return true;
    }

    /// Forgets all of them, because the address space has ended.
    void clear() {
        mfns.clear();
        readOnly.clear();
    }
}
