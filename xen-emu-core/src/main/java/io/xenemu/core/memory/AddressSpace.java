package io.xenemu.core.memory;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.host.HostBudget;
import io.xenemu.core.vm.VmPort;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.List;
import java.util.function.LongPredicate;
import org.jspecify.annotations.Nullable;

/// The frames of a guest: the memory at each by the memory map, and pages shown over it or in holes. Shows and hides
/// pages, and pays for the mappings of those that it hides. It does not know the kind of a shown page, except pages of
/// RAM that are not at home. Not thread-safe: the monitor of [DomainMemory] guards it.
final class AddressSpace implements AutoCloseable {
    /// Guest frame numbers are below this; no CPU addresses more than 52 bits.
    private static final long GFN_LIMIT = 1L << 40;

    private final RamPages ram;
    private final HostBudget.Share mappings;
    private final GuestMemory guest;
    private final PhysicalRanges ranges;

    /// Owns the mappings of [#guest].
    private final Arena serviceViews = Arena.ofShared();

    /// The covered pages of RAM, by their number.
    private final BitSet coveredRam = new BitSet();

    /// The highest frame that ever had a page.
    private long highest;

    /// @param map the guest's physical address map
    /// @param guest the service's view of the guest's memory; the address space adds and removes its parts
    /// @param mappings the domain's share of the process's mappings
    /// @param holes the pages that the guest reads in holes
    AddressSpace(
            VmPort vm,
            GuestMemoryMap map,
            RamPages ram,
            SpecialPages special,
            GuestMemory guest,
            HostBudget.Share mappings,
            HolePages holes) {
        this.ram = ram;
        this.guest = guest;
        this.mappings = mappings;
        ranges = new PhysicalRanges(vm, mappings, holes);
        try {
            addRanges(map, special);
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private void addRanges(GuestMemoryMap map, SpecialPages special) {
        long ramOffset = 0;
        for (GuestMemoryMap.Slot slot : map.slots()) {
            if (slot.backing() == GuestMemoryMap.Backing.RAM) {
                addRange(slot, ram.file(), ramOffset);
                ramOffset += slot.length();
            } else {
                addRange(slot, special.memfd(), 0);
            }
        }
    }

    private void addRange(GuestMemoryMap.Slot slot, MemFd memfd, long offset) {
        MemorySegment view = memfd.map(serviceViews, offset, slot.length(), false);
        ranges.add(slot.start(), memfd, offset, view);
        guest.add(slot.start(), view);
        reaches((slot.start() + slot.length()) / GuestMemory.PAGE_SIZE - 1);
    }

    /// Whether a frame number is one that a CPU can address.
    ///
    /// @param gfn any 64 bits
    static boolean isPossible(long gfn) {
        return gfn >= 0 && gfn < GFN_LIMIT;
    }

    private void reaches(long gfn) {
        highest = Math.max(highest, gfn);
    }

    /// The highest frame that ever had a page.
    long highest() {
        return highest;
    }

    /// Takes over the highest frame of a saved domain.
    void restoreHighest(long saved) {
        highest = saved;
    }

    /// The range that contains an address, or null.
    @Nullable PhysicalRange rangeAt(long gpa) {
        return ranges.at(gpa);
    }

    /// The range that contains an address where a page is shown.
    ///
    /// @throws IllegalStateException if there is none
    PhysicalRange existing(long gpa) {
        PhysicalRange range = ranges.at(gpa);
        if (range == null) {
            throw new IllegalStateException("nothing is shown at %#x".formatted(gpa));
        }
        return range;
    }

    /// The range that contains an address. Makes a window if there is no range.
    ///
    /// @throws XenError the errors of [PhysicalRanges#make]
    PhysicalRange make(long gpa) throws XenError {
        return ranges.make(gpa);
    }

    /// The range that contains a possible frame, made if there is none; null if no page can be there.
    @Nullable PhysicalRange rangeFor(long gfn) {
        try {
            return ranges.make(gfn * GuestMemory.PAGE_SIZE);
        } catch (XenError e) {
            return null;
        }
    }

    /// Whether there is any window.
    boolean hasWindows() {
        return ranges.hasWindows();
    }

    /// The guest's mappings of RAM, and the service's.
    List<RamView> ramViews() {
        return ranges.views(ram.file());
    }

    /// KVM's slots of RAM.
    List<SlotLog.Slot> ramSlots() {
        return ranges.slots(ram.file());
    }

    /// Whether something is shown over a page of RAM at its home.
    boolean isCovered(int page) {
        return coveredRam.get(page);
    }

    /// The number of the page of RAM whose home is `gfn`; -1 if there is none.
    int ramPage(long gfn) {
        if (!isPossible(gfn)) {
            return -1;
        }
        PhysicalRange range = ranges.at(gfn * GuestMemory.PAGE_SIZE);
        return range != null && range.isOf(ram.file())
                ? Math.toIntExact(range.pageNumber(gfn * GuestMemory.PAGE_SIZE))
                : -1;
    }

    /// Shows one of the domain's own pages at a frame, to the guest and to the service. The caller has taken
    /// [PhysicalRange#splitsForAll] mappings.
    void show(PhysicalRange range, long gfn, MemFd file, long offset, MemorySegment serviceView) {
        long gpa = gfn * GuestMemory.PAGE_SIZE;
        range.showToAll(gpa, file, offset);
        if (range.isHole()) {
            guest.add(gpa, serviceView);
        }
        cover(range, gpa, true);
        reaches(gfn);
    }

    /// Undoes [#show], and gives its mappings back.
    void uncover(long gfn) {
        long gpa = gfn * GuestMemory.PAGE_SIZE;
        PhysicalRange range = existing(gpa);
        if (range.isHole()) {
            guest.remove(gpa);
        }
        awaitUnder(range, gpa, 1);
        range.uncoverForAll(gpa);
        mappings.give(range.splitsForAll());
        cover(range, gpa, false);
    }

    /// Shows pages that follow one another to the guest alone. The caller has taken [PhysicalRange#SPLITS] mappings for
    /// each, which are enough for any of them to be uncovered alone.
    ///
    /// @param range contains all of them
    void showToGuest(
            PhysicalRange range, long gfn, int count, MemFd file, long offset, boolean readOnly) {
        long gpa = gfn * GuestMemory.PAGE_SIZE;
        range.showToGuest(gpa, count, file, offset, readOnly);
        for (int i = 0; i < count; i++) {
            cover(range, gpa + (long) i * GuestMemory.PAGE_SIZE, true);
        }
        reaches(gfn + count - 1);
    }

    /// Undoes [#showToGuest] for pages of one range, and gives their mappings back.
    void uncoverForGuest(PhysicalRange range, long gfn, int count) {
        long gpa = gfn * GuestMemory.PAGE_SIZE;
        awaitUnder(range, gpa, count);
        range.uncoverForGuest(gpa, count);
        for (int i = 0; i < count; i++) {
            cover(range, gpa + (long) i * GuestMemory.PAGE_SIZE, false);
        }
        mappings.give((long) count * PhysicalRange.SPLITS);
    }

    /// Waits for the pages of RAM at some addresses, whose new mapping would not.
    private void awaitUnder(PhysicalRange range, long gpa, int count) {
        if (range.isOf(ram.file())) {
            ram.await(range.pageNumber(gpa), count);
        }
    }

    /// Notes whether a shown page covers the page of RAM at an address. In a hole it covers none.
    private void cover(PhysicalRange range, long gpa, boolean covered) {
        if (range.isOf(ram.file())) {
            coveredRam.set(Math.toIntExact(range.pageNumber(gpa)), covered);
        }
    }

    /// Shows a page of RAM at a frame that is not its home. The caller has taken its mappings.
    void showDisplaced(PhysicalRange range, long gfn, int page) {
        show(range, gfn, ram.file(), RamPages.offset(page), ram.page(page));
        ram.displace(gfn, page);
    }

    /// Hides a page of RAM at a frame that is not its home, and frees it.
    ///
    /// @param inUse whether others use the page of that number, which then stays for them
    /// @return false if there is none
    boolean takeDisplaced(long gfn, LongPredicate inUse) {
        if (ram.displacedAt(gfn) == null) {
            return false;
        }
        uncover(gfn);
        ram.free(ram.retrieve(gfn), inUse);
        return true;
    }

    /// Unmaps the guest's view and the service's. The VM is closed.
    @Override
    public void close() {
        ranges.close();
        if (serviceViews.scope().isAlive()) {
            serviceViews.close();
        }
    }
}
