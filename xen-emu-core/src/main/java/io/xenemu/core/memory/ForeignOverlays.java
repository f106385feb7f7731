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
            long gfn, long mfn, MemFd file, long offset, boolean isReadOnly, LongPredicate inUse) {
        if (!AddressSpace.isPossible(gfn)
                || mfns.containsKey(gfn)
                || !mappings.take(PhysicalRange.SPLITS)) {
            return false;
        }
        boolean placed = false;
        try {
            PhysicalRange range = space.make(gfn * GuestMemory.PAGE_SIZE);
            special.evict(gfn);
            // As in Xen, the domain owns a lost page of RAM until its end.
            boolean _ = space.takeDisplaced(gfn, inUse);
            space.showToGuest(range, gfn, file, offset, isReadOnly);
            mfns.put(gfn, mfn);
            if (isReadOnly) {
                readOnly.add(gfn);
            }
            placed = true;
        } catch (XenError e) {
            return false;
        } finally {
            if (!placed) {
                mappings.give(PhysicalRange.SPLITS);
            }
        }
        return true;
    }

    /// See [DomainPhysmap#remove].
    boolean remove(long gfn, long mfn) {
        if (!mfns.remove(gfn, mfn)) {
            return false;
        }
        readOnly.remove(gfn);
        space.uncoverForGuest(gfn);
        return true;
    }

    /// Forgets all of them, because the address space has ended.
    void clear() {
        mfns.clear();
        readOnly.clear();
    }
}
