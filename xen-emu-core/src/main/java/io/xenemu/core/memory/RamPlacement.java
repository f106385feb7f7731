package io.xenemu.core.memory;

import io.xenemu.core.host.HostBudget;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.util.BitSet;
import java.util.function.LongPredicate;

/// Takes pages of RAM out of the guest's address space, puts them in, and moves them, on the domain's account. Not
/// thread-safe: the monitor of [DomainMemory] guards it.
final class RamPlacement {
    private final AddressSpace space;
    private final RamPages ram;
    private final SpecialOverlays special;
    private final ForeignOverlays foreign;
    private final Reservation reservation;
    private final HostBudget.Share mappings;

    RamPlacement(
            AddressSpace space,
            RamPages ram,
            SpecialOverlays special,
            ForeignOverlays foreign,
            Reservation reservation,
            HostBudget.Share mappings) {
        this.space = space;
        this.ram = ram;
        this.special = special;
        this.foreign = foreign;
        this.reservation = reservation;
        this.mappings = mappings;
    }

    /// Takes the page at `gfn` out of the address space: a page of RAM, or a special page with the page of RAM below.
    ///
    /// @param gfn any 64 bits
    /// @param forGood whether the domain no longer owns a page of RAM
    /// @param inUse whether others use the page of that number, which then stays for them
    /// @return false if no page is there, or a page of another domain
    boolean take(long gfn, boolean forGood, LongPredicate inUse) {
        if (foreign.isAt(gfn)) {
            return false;
        }
        boolean wasSpecial = special.evict(gfn);
        if (!space.takeDisplaced(gfn, inUse) && !takeHome(gfn, inUse)) {
            return wasSpecial;
        }
        if (forGood) {
            reservation.give(1);
        }
        return true;
    }

    /// Takes a page from its home, which nothing covers.
    ///
    /// @return false if it is not there
    private boolean takeHome(long gfn, LongPredicate inUse) {
        int page = space.ramPage(gfn);
        if (page < 0 || ram.isGone(page)) {
            return false;
        }
        ram.leave(page);
        ram.free(page, inUse);
        return true;
    }

    /// See [DomainPhysmap#populate].
    boolean populate(long gfn, int count, LongPredicate inUse) {
        if (!reservation.admits(count)) {
            return false;
        }
        BitSet displaced = new BitSet();
        int cost = 0;
        for (int i = 0; i < count; i++) {
            if (!AddressSpace.isPossible(gfn + i) || foreign.isAt(gfn + i)) {
                return false;
            }
            int page = space.ramPage(gfn + i);
            if (page < 0 || !ram.isFree(page, inUse)) {
                PhysicalRange range = space.rangeFor(gfn + i);
                if (range == null) {
                    return false;
                }
                displaced.set(i);
                cost += range.splitsForAll();
            }
        }
        // A window made for one page may have been taken for another.
        if (!haveRanges(gfn, displaced)
                || !ram.hasSpares(displaced.cardinality(), inUse)
                || !mappings.take(cost)) {
            return false;
        }
        for (int i = 0; i < count; i++) {
            put(gfn + i, displaced.get(i), inUse);
        }
        return true;
    }

    /// @param offsets of the frames from `gfn`
    private boolean haveRanges(long gfn, BitSet offsets) {
        for (int i = offsets.nextSetBit(0); i >= 0; i = offsets.nextSetBit(i + 1)) {
            if (space.rangeAt((gfn + i) * GuestMemory.PAGE_SIZE) == null) {
                return false;
            }
        }
        return true;
    }

    /// @param displaced whether a spare page is put there, for which the mappings have been taken
    private void put(long gfn, boolean displaced, LongPredicate inUse) {
        int home = space.ramPage(gfn);
        // A page covered by a special page is charged again when the special page goes.
        boolean charged = special.evict(gfn) && home >= 0 && !ram.isGone(home);
        boolean _ = space.takeDisplaced(gfn, inUse);
        if (displaced) {
            if (home >= 0) {
                ram.leave(home);
            }
            space.showDisplaced(space.existing(gfn * GuestMemory.PAGE_SIZE), gfn, ram.takeSpare());
        } else {
            ram.comeHome(home);
        }
        if (!charged) {
            reservation.take(1);
        }
    }

    /// Moves a page of RAM to another frame, whose page is given up. That frame is possible and has no foreign page.
    ///
    /// @param inUse whether others use the page of that number, which then stays for them
    /// @throws XenError the errors of [SpecialOverlays#overlay]
    void move(int page, long from, long to, LongPredicate inUse) throws XenError {
        boolean home = space.ramPage(to) == page;
        PhysicalRange range = space.make(to * GuestMemory.PAGE_SIZE);
        if (!home && !mappings.take(range.splitsForAll())) {
            throw XenError.ENOMEM;
        }
        boolean _ = take(to, true, inUse);
        if (ram.displacedAt(from) == null) {
            ram.leave(page);
        } else {
            space.uncover(from);
            int _ = ram.retrieve(from);
        }
        if (home) {
            ram.returnHome(page);
        } else {
            space.showDisplaced(range, to, page);
        }
    }

    /// Puts a page of a saved domain at a frame that is not its home.
    ///
    /// @throws IllegalArgumentException if that page cannot be there
    void restore(MemoryState.Displaced displaced) {
        long gfn = displaced.gfn();
        ram.restoreDisplaced(displaced.page());
        PhysicalRange range = AddressSpace.isPossible(gfn) ? space.rangeFor(gfn) : null;
        int home = space.ramPage(gfn);
        if (range == null
                || special.at(gfn) != null
                || ram.displacedAt(gfn) != null
                || (home >= 0 && !ram.isGone(home))
                || !mappings.take(range.splitsForAll())) {
            throw new IllegalArgumentException("no page of RAM can be at frame %#x".formatted(gfn));
        }
        space.showDisplaced(range, gfn, displaced.page());
    }
}
