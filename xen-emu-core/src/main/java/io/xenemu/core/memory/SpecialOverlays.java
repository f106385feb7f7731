package io.xenemu.core.memory;

import com.google.common.collect.Maps;
import io.xenemu.core.host.HostBudget;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongPredicate;
import org.jspecify.annotations.Nullable;

/// The special pages that the guest has placed: each is at one frame at most. Not thread-safe: the monitor of
/// [DomainMemory] guards it.
///
/// Xen frees the page of RAM that a special page covers. Here it comes back, zeroed, when the special page moves away;
/// [Reservation] counts it again then.
final class SpecialOverlays {
    /// The frame of a page that is at none.
    static final long NOWHERE = -1;

    private final SpecialPages special;
    private final AddressSpace space;
    private final RamPages ram;
    private final Reservation reservation;
    private final HostBudget.Share mappings;
    private final long[] gfns;

    /// The special page shown at each frame, the inverse of [#gfns].
    private final Map<Long, Integer> at = new HashMap<>();

    SpecialOverlays(
            SpecialPages special,
            AddressSpace space,
            RamPages ram,
            Reservation reservation,
            HostBudget.Share mappings) {
        this.special = special;
        this.space = space;
        this.ram = ram;
        this.reservation = reservation;
        this.mappings = mappings;
        gfns = new long[special.count()];
        Arrays.fill(gfns, NOWHERE);
    }

    /// The special page at a frame, or null.
    @Nullable Integer at(long gfn) {
        return at.get(gfn);
    }

    /// The frame of special page `page`, or [#NOWHERE].
    long gfnOf(int page) {
        return gfns[page];
    }

    /// The special pages by their frames. A view.
    Map<Long, MemorySegment> pages() {
        return Maps.transformValues(at, special::page);
    }

    /// Shows special page `page` at a possible frame that has no foreign page, and nowhere else. If that fails, the
    /// page stays where it is.
    ///
    /// @param inUse whether others use the page of that number; called with the monitor held
    /// @throws XenError the errors of [PhysicalRanges#make]; ENOMEM too many places
    void overlay(int page, long gfn, LongPredicate inUse) throws XenError {
        if (gfns[page] == gfn) {
            return;
        }
        PhysicalRange range = space.make(gfn * GuestMemory.PAGE_SIZE);
        if (!mappings.take(range.splitsForAll())) {
            throw XenError.ENOMEM;
        }
        evict(gfn);
        if (space.takeDisplaced(gfn, inUse)) {
            reservation.give(1);
        }
        long offset = (long) page * GuestMemory.PAGE_SIZE;
        space.show(range, gfn, special.memfd(), offset, special.page(page));
        hide(page);
        int covered = space.ramPage(gfn);
        if (covered >= 0 && !ram.isGone(covered)) {
            reservation.give(1);
        }
        gfns[page] = gfn;
        at.put(gfn, page);
    }

    /// Removes special page `page` from the guest's address space.
    void hide(int page) {
        long gfn = gfns[page];
        if (gfn == NOWHERE) {
            return;
        }
        gfns[page] = NOWHERE;
        at.remove(gfn);
        space.uncover(gfn);
        int uncovered = space.ramPage(gfn);
        if (uncovered >= 0 && !ram.isGone(uncovered)) {
            ram.zero(uncovered);
            if (!reservation.take(1)) {
                ram.leave(uncovered);
            }
        }
    }

    /// Removes the special page at a frame.
    ///
    /// @return false if there is none
    boolean evict(long gfn) {
        Integer page = at.get(gfn);
        if (page == null) {
            return false;
        }
        hide(page);
        return true;
    }

    /// The frames of the pages, in the order of the pages' numbers.
    List<MemoryState.Overlay> save() {
        List<MemoryState.Overlay> overlays = new ArrayList<>();
        for (int page = 0; page < gfns.length; page++) {
            if (gfns[page] != NOWHERE) {
                overlays.add(new MemoryState.Overlay(page, gfns[page]));
            }
        }
        return overlays;
    }

    /// Places the pages as a saved domain had them.
    ///
    /// @throws IllegalArgumentException if one cannot be there
    void restore(List<MemoryState.Overlay> overlays) {
        for (MemoryState.Overlay overlay : overlays) {
            special.requirePage(overlay.page());
            try {
                if (!AddressSpace.isPossible(overlay.gfn())) {
                    throw XenError.EINVAL;
                }
                overlay(overlay.page(), overlay.gfn(), _ -> false);
            } catch (XenError e) {
                throw new IllegalArgumentException(
                        "a special page cannot be at frame %#x".formatted(overlay.gfn()), e);
            }
        }
    }
}
