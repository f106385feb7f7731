package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.boot.BootMemory;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Deque;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// A domain's guest-physical memory: RAM in one memfd, special pages in another, the KVM slots over both, and the
/// overlays by which the guest puts special pages where it wants them (XENMEM_add_to_physmap).
///
/// An overlay inside a slot replaces the page under it by MAP_FIXED, so KVM has nothing to invalidate; one outside gets a
/// slot of its own. Xen frees the RAM page that an overlay covers; here it comes back, zeroed, when the overlay moves
/// away, which is what a guest finds after Xen's own soft reset.
public final class DomainMemory implements BootMemory, AutoCloseable {
    private static final long NOWHERE = -1;
    private static final int NO_SLOT = -1;

    /// Guest frame numbers stay below what any CPU addresses (52 bits).
    private static final long GFN_LIMIT = 1L << 40;

    /// A range of guest-physical addresses that has a KVM slot from the start.
    private record Range(long start, long length, MemFd memfd, long offset, MemorySegment view) {
        boolean holds(long gpa) {
            return gpa >= start && gpa - start < length;
        }
    }

    private final KvmVm vm;
    private final MemFd ram;

    /// RAM page by page, whatever the guest sees in its place.
    private final MemorySegment ramPages;

    private final SpecialPages special;
    private final GuestMemory guest = new GuestMemory();
    private final List<Range> ranges = new ArrayList<>();

    @GuardedBy("this")
    private final long[] overlayGfn;

    @GuardedBy("this")
    private final int[] overlaySlot;

    /// The other way round: what is shown at a frame, and what is shown next above it.
    @GuardedBy("this")
    private final NavigableMap<Long, Integer> overlayAt = new TreeMap<>();

    /// Which pages of RAM are covered by a special page, by their number in [#ramPages].
    @GuardedBy("this")
    private final BitSet coveredRam = new BitSet();

    @GuardedBy("this")
    private final Deque<Integer> freeSlots = new ArrayDeque<>();

    public DomainMemory(KvmVm vm, String name, GuestMemoryMap map, SpecialPages special) {
        this.vm = vm;
        this.special = special;
        overlayGfn = new long[special.count()];
        overlaySlot = new int[special.count()];
        Arrays.fill(overlayGfn, NOWHERE);
        Arrays.fill(overlaySlot, NO_SLOT);
        long ramBytes = 0;
        for (GuestMemoryMap.Slot slot : map.slots()) {
            if (slot.backing() == GuestMemoryMap.Backing.RAM) {
                ramBytes += slot.length();
            }
        }
        ram = MemFd.create("xen-ram-" + name, ramBytes);
        try {
            addRanges(map, ram.map(0, ramBytes));
            ramPages = ram.map(0, ramBytes);
        } catch (RuntimeException e) {
            ram.close();
            throw e;
        }
        // One more than pages: a page that moves has two for a moment.
        for (int i = 0; i <= special.count(); i++) {
            freeSlots.add(ranges.size() + i);
        }
    }

    private void addRanges(GuestMemoryMap map, MemorySegment all) {
        long offset = 0;
        for (GuestMemoryMap.Slot slot : map.slots()) {
            if (slot.backing() == GuestMemoryMap.Backing.RAM) {
                MemorySegment view = all.asSlice(offset, slot.length());
                addRange(new Range(slot.start(), slot.length(), ram, offset, view));
                offset += slot.length();
            } else {
                MemorySegment view = special.fixedPages();
                addRange(new Range(slot.start(), slot.length(), special.memfd(), 0, view));
            }
        }
    }

    private void addRange(Range range) {
        vm.setMemoryRegion(ranges.size(), 0, range.start, range.view);
        guest.add(range.start, range.view);
        ranges.add(range);
    }

    /// What the guest sees, for hypercall arguments.
    public GuestMemory guest() {
        return guest;
    }

    /// A page of the guest that it has named by number, for the service to read and write as long as the domain exists.
    ///
    /// @param gfn any 64 bits
    /// @throws XenError EINVAL if there is no memory
    MemorySegment page(long gfn) throws XenError {
        if (gfn < 0 || gfn >= GFN_LIMIT) {
            throw XenError.EINVAL;
        }
        try {
            return guest.segment(gfn * SpecialPages.PAGE_SIZE, SpecialPages.PAGE_SIZE);
        } catch (XenError e) {
            throw XenError.EINVAL;
        }
    }

    @Override
    public void write(long gpa, MemorySegment source) {
        try {
            guest.copyOut(source, 0, gpa, source.byteSize());
        } catch (XenError e) {
            throw new IllegalArgumentException("not guest memory: %#x".formatted(gpa), e);
        }
    }

    /// Shows special page `page` at guest frame `gfn` and nowhere else, as Xen does when a page that is mapped already is
    /// added to the physmap again. If it cannot be there, it stays where it is.
    ///
    /// @throws XenError EINVAL when no page can be there (beyond the guest's address width, or where KVM has a device)
    public synchronized void overlay(int page, long gfn) throws XenError {
        if (gfn < 0 || gfn >= GFN_LIMIT) {
            throw XenError.EINVAL;
        }
        if (overlayGfn[page] == gfn) {
            return;
        }
        evict(gfn);
        long gpa = gfn * SpecialPages.PAGE_SIZE;
        Range range = rangeOf(gpa);
        int slot = NO_SLOT;
        if (range != null) {
            special.memfd().mapFixed((long) page * SpecialPages.PAGE_SIZE, pageOf(range, gpa));
        } else {
            slot = addSlot(page, gpa);
        }
        removeOverlay(page);
        if (range != null && range.memfd == ram) {
            coveredRam.set(Math.toIntExact(pageNumber(range, gpa)));
        }
        overlaySlot[page] = slot;
        overlayGfn[page] = gfn;
        overlayAt.put(gfn, page);
    }

    /// Shows special page `page` nowhere.
    public synchronized void hide(int page) {
        removeOverlay(page);
    }

    /// The page that is at a guest frame now, by a number that it has for good: RAM pages first, special pages after them.
    ///
    /// @param gfn any 64 bits
    /// @return -1 if there is no memory
    synchronized long pageAt(long gfn) {
        if (gfn < 0 || gfn >= GFN_LIMIT) {
            return -1;
        }
        long gpa = gfn * SpecialPages.PAGE_SIZE;
        Range range = rangeOf(gpa);
        if (range != null && range.memfd == ram) {
            long page = pageNumber(range, gpa);
            if (!coveredRam.get(Math.toIntExact(page))) {
                return page;
            }
        }
        // Not on the path of any page that guests grant for speed.
        Integer overlaid = overlayAt.get(gfn);
        if (overlaid != null) {
            return ramPageCount() + overlaid;
        }
        return range == null ? -1 : ramPageCount() + pageNumber(range, gpa);
    }

    private static long pageNumber(Range range, long gpa) {
        return (range.offset + gpa - range.start) / SpecialPages.PAGE_SIZE;
    }

    /// The memory that has a page of [#pageAt], and no guest's overlays in it.
    MemorySegment memoryOf(long page) {
        return page < ramPageCount() ? ramPages : special.pages();
    }

    /// Where in [#memoryOf] the page begins.
    long offsetOf(long page) {
        long ramCount = ramPageCount();
        return (page < ramCount ? page : page - ramCount) * SpecialPages.PAGE_SIZE;
    }

    private long ramPageCount() {
        return ramPages.byteSize() / SpecialPages.PAGE_SIZE;
    }

    /// Takes whatever special page is at `gfn` away (XENMEM_remove_from_physmap).
    ///
    /// @return false if there is none
    public synchronized boolean removeAt(long gfn) {
        // A guest may name any number, also the one that stands for "nowhere".
        return gfn != NOWHERE && evict(gfn);
    }

    /// Takes RAM pages from the guest (XENMEM_decrease_reservation): the host has them back, and the guest finds zeros there
    /// until it asks for them again, where Xen would leave a hole.
    ///
    /// @return false if not all of it is RAM, or a special page covers some of it; then nothing has happened
    public synchronized boolean discard(long gfn, int count) {
        MemorySegment pages = ramPages(gfn, count);
        if (pages == null) {
            return false;
        }
        ram.discard(pages);
        return true;
    }

    /// Whether the guest may have these pages (again): they are RAM that no special page covers.
    public synchronized boolean isPlainRam(long gfn, int count) {
        return ramPages(gfn, count) != null;
    }

    @GuardedBy("this")
    private @Nullable MemorySegment ramPages(long gfn, int count) {
        if (gfn < 0 || gfn >= GFN_LIMIT) {
            return null;
        }
        long gpa = gfn * SpecialPages.PAGE_SIZE;
        long length = (long) count * SpecialPages.PAGE_SIZE;
        Range range = rangeOf(gpa);
        if (range == null || range.memfd != ram || length > range.length - (gpa - range.start)) {
            return null;
        }
        Long covered = overlayAt.ceilingKey(gfn);
        if (covered != null && covered < gfn + count) {
            return null;
        }
        return range.view.asSlice(gpa - range.start, length);
    }

    /// The guest frame at which special page `page` is shown, or -1.
    public synchronized long overlayOf(int page) {
        return overlayGfn[page];
    }

    @GuardedBy("this")
    private boolean evict(long gfn) {
        Integer page = overlayAt.get(gfn);
        if (page == null) {
            return false;
        }
        removeOverlay(page);
        return true;
    }

    @GuardedBy("this")
    private int addSlot(int page, long gpa) throws XenError {
        Integer slot = freeSlots.poll();
        if (slot == null) {
            throw new IllegalStateException("more overlays than special pages");
        }
        MemorySegment view = special.page(page);
        try {
            vm.setMemoryRegion(slot, 0, gpa, view);
        } catch (KvmException e) {
            freeSlots.push(slot);
            // Beyond what the guest can address, or over a page that KVM itself has there: the only
            // faults of the guest's.
            if (e.errno() == Errno.EINVAL || e.errno() == Errno.EEXIST) {
                throw XenError.EINVAL;
            }
            throw e;
        }
        guest.add(gpa, view);
        return slot;
    }

    @GuardedBy("this")
    private void removeOverlay(int page) {
        long gfn = overlayGfn[page];
        if (gfn == NOWHERE) {
            return;
        }
        long gpa = gfn * SpecialPages.PAGE_SIZE;
        overlayGfn[page] = NOWHERE;
        overlayAt.remove(gfn);
        if (overlaySlot[page] != NO_SLOT) {
            guest.remove(gpa);
            vm.deleteMemoryRegion(overlaySlot[page]);
            freeSlots.push(overlaySlot[page]);
            overlaySlot[page] = NO_SLOT;
            return;
        }
        Range range = rangeOf(gpa);
        if (range == null) {
            throw new IllegalStateException("overlay outside of memory: %#x".formatted(gpa));
        }
        MemorySegment under = pageOf(range, gpa);
        range.memfd.mapFixed(range.offset + (gpa - range.start), under);
        if (range.memfd == ram) {
            under.fill((byte) 0);
            coveredRam.clear(Math.toIntExact(pageNumber(range, gpa)));
        }
    }

    private @Nullable Range rangeOf(long gpa) {
        for (Range range : ranges) {
            if (range.holds(gpa)) {
                return range;
            }
        }
        return null;
    }

    private static MemorySegment pageOf(Range range, long gpa) {
        return range.view.asSlice(gpa - range.start, SpecialPages.PAGE_SIZE);
    }

    @Override
    public void close() {
        ram.close();
    }
}
