package io.xenemu.core.memory;

import com.google.common.primitives.ImmutableLongArray;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.boot.BootMemory;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.host.HostBudget;
import io.xenemu.core.vm.VmPort;
import io.xenemu.gnttab.GuestFrames;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongPredicate;
import org.jspecify.annotations.Nullable;

/// A domain's guest-physical memory: RAM in one memfd, special pages in another. The guest can place pages over them or
/// in holes: special pages (XENMEM_add_to_physmap), and pages that other domains grant. It can also place RAM at other
/// frames than its own (XENMEM_populate_physmap, XENMAPSPACE_gmfn).
///
/// A special page is at one frame at most. Xen frees the RAM page that it covers. Here the RAM page comes back, zeroed,
/// when the special page moves away, as after Xen's own soft reset. It does not come back if the guest has given it up,
/// or if the domain may not own more. A RAM page under a foreign page comes back unchanged. The service reads hypercall
/// arguments from beneath foreign pages, where Xen answers EFAULT.
public final class DomainMemory implements BootMemory, AutoCloseable {
    private static final long NOWHERE = -1;
    private static final ValueLayout.OfLong WORD =
            ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// Guest frame numbers are below this; no CPU addresses more than 52 bits.
    private static final long GFN_LIMIT = 1L << 40;

    /// Changes with the monitor held.
    private final RamPages ram;

    private final SpecialPages special;
    private final HostBudget.Share mappings;
    private final GuestMemory guest = new GuestMemory();

    /// Owns the mappings of [#guest].
    private final Arena serviceViews = Arena.ofShared();

    @GuardedBy("this")
    private final PhysicalRanges ranges;

    @GuardedBy("this")
    private final long[] specialGfn;

    /// The special page shown at each frame, the inverse of [#specialGfn].
    @GuardedBy("this")
    private final Map<Long, Integer> specialAt = new HashMap<>();

    /// The machine frame number of the other domain's page shown at each frame.
    @GuardedBy("this")
    private final Map<Long, Long> foreignAt = new HashMap<>();

    /// The frames of other domains' pages that the guest may only read.
    @GuardedBy("this")
    private final Set<Long> readOnlyAt = new HashSet<>();

    /// The covered pages of RAM, by their number.
    @GuardedBy("this")
    private final BitSet coveredRam = new BitSet();

    @GuardedBy("this")
    private final Reservation reservation;

    /// The highest frame that ever had a page.
    @GuardedBy("this")
    private long highest;

    /// @param name for /proc/PID/maps
    /// @param map the guest's physical address map
    /// @param memory bytes of RAM that it owns at first: at most the RAM that it sees
    /// @param special its special pages
    /// @param mappings its share of the process's mappings
    /// @param holes the pages that it reads in holes
    public DomainMemory(
            VmPort vm,
            String name,
            GuestMemoryMap map,
            long memory,
            SpecialPages special,
            HostBudget.Share mappings,
            HolePages holes) {
        this.special = special;
        this.mappings = mappings;
        specialGfn = new long[special.count()];
        Arrays.fill(specialGfn, NOWHERE);
        long ramBytes = 0;
        for (GuestMemoryMap.Slot slot : map.slots()) {
            if (slot.backing() == GuestMemoryMap.Backing.RAM) {
                ramBytes += slot.length();
            }
        }
        // As on Xen, the pages of its ACPI tables are owned in addition to its memory.
        reservation =
                new Reservation(
                        memory / GuestMemory.PAGE_SIZE,
                        (ramBytes - GuestMemoryMap.ACPI_SIZE) / GuestMemory.PAGE_SIZE,
                        GuestMemoryMap.ACPI_SIZE / GuestMemory.PAGE_SIZE);
        ranges = new PhysicalRanges(vm, mappings, holes);
        ram = new RamPages("xen-ram-" + name, ramBytes);
        try {
            addRanges(map);
        } catch (RuntimeException e) {
            ranges.close();
            serviceViews.close();
            ram.close();
            throw e;
        }
    }

    private void addRanges(GuestMemoryMap map) {
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

    private synchronized void addRange(GuestMemoryMap.Slot slot, MemFd memfd, long offset) {
        MemorySegment view = memfd.map(serviceViews, offset, slot.length(), false);
        ranges.add(slot.start(), memfd, offset, view);
        guest.add(slot.start(), view);
        reaches((slot.start() + slot.length()) / GuestMemory.PAGE_SIZE - 1);
    }

    /// The guest's memory for hypercall arguments: with the special pages that the guest sees, without foreign pages.
    public GuestMemory guest() {
        return guest;
    }

    /// A page that the guest named by number, for the service to use as long as the domain exists.
    ///
    /// @param gfn any 64 bits
    /// @throws XenError EINVAL if there is no memory, or a page of another domain
    public MemorySegment page(long gfn) throws XenError {
        if (pageAt(gfn) < 0) {
            throw XenError.EINVAL;
        }
        return namedBefore(gfn);
    }

    /// As [#page], for a page that the guest of a restored domain named before the save, and may have given up since.
    ///
    /// @throws XenError EINVAL if there is no memory for it
    public MemorySegment namedBefore(long gfn) throws XenError {
        if (!isPossible(gfn)) {
            throw XenError.EINVAL;
        }
        try {
            return guest.segment(gfn * GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE);
        } catch (XenError e) {
            throw XenError.EINVAL;
        }
    }

    private static boolean isPossible(long gfn) {
        return gfn >= 0 && gfn < GFN_LIMIT;
    }

    /// Notes that a frame has a page.
    @GuardedBy("this")
    private void reaches(long gfn) {
        highest = Math.max(highest, gfn);
    }

    /// The highest frame that ever had a page (XENMEM_maximum_gpfn).
    public synchronized long highestGfn() {
        return highest;
    }

    @Override
    public void write(long gpa, MemorySegment source) {
        try {
            guest.copyOut(source, 0, gpa, source.byteSize());
        } catch (XenError e) {
            throw new IllegalArgumentException("not guest memory: %#x".formatted(gpa), e);
        }
    }

    // Special pages.

    /// Shows special page `page` at guest frame `gfn` and nowhere else, as Xen does when a mapped page is added to
    /// the physmap again. If that fails, the page stays where it is.
    ///
    /// @param inUse whether others use the page of that number; called with a lock held
    /// @throws XenError EINVAL no page can be there (beyond the guest's address width, or where KVM has a device);
    ///     ENXIO the guest maps a foreign page there; ENOMEM too many places
    public synchronized void overlay(int page, long gfn, LongPredicate inUse) throws XenError {
        if (!isPossible(gfn)) {
            throw XenError.EINVAL;
        }
        if (foreignAt.containsKey(gfn)) {
            throw XenError.ENXIO;
        }
        if (specialGfn[page] == gfn) {
            return;
        }
        long gpa = gfn * GuestMemory.PAGE_SIZE;
        PhysicalRange range = ranges.make(gpa);
        if (!mappings.take(range.splitsForAll())) {
            throw XenError.ENOMEM;
        }
        evict(gfn);
        if (takeDisplaced(gfn, inUse)) {
            reservation.give(1);
        }
        show(range, gfn, special.memfd(), (long) page * GuestMemory.PAGE_SIZE, special.page(page));
        hide(page);
        cover(range, gpa, true);
        int covered = ramPage(gfn);
        if (covered >= 0 && !ram.isGone(covered)) {
            reservation.give(1);
        }
        specialGfn[page] = gfn;
        specialAt.put(gfn, page);
    }

    /// Removes special page `page` from the guest's address space.
    public synchronized void hide(int page) {
        long gfn = specialGfn[page];
        if (gfn == NOWHERE) {
            return;
        }
        specialGfn[page] = NOWHERE;
        specialAt.remove(gfn);
        uncover(gfn);
        int uncovered = ramPage(gfn);
        if (uncovered >= 0 && !ram.isGone(uncovered)) {
            ram.page(uncovered).fill((byte) 0);
            if (!reservation.take(1)) {
                ram.leave(uncovered);
            }
        }
    }

    /// Shows one of the domain's own pages at a frame, to the guest and to the service.
    @GuardedBy("this")
    private void show(
            PhysicalRange range, long gfn, MemFd file, long offset, MemorySegment serviceView) {
        long gpa = gfn * GuestMemory.PAGE_SIZE;
        range.showToAll(gpa, file, offset);
        if (range.isHole()) {
            guest.add(gpa, serviceView);
        }
        cover(range, gpa, true);
        reaches(gfn);
    }

    /// Undoes [#show], and gives its mappings back.
    @GuardedBy("this")
    private void uncover(long gfn) {
        long gpa = gfn * GuestMemory.PAGE_SIZE;
        PhysicalRange range = existing(gpa);
        if (range.isHole()) {
            guest.remove(gpa);
        }
        range.uncoverForAll(gpa);
        mappings.give(range.splitsForAll());
        cover(range, gpa, false);
    }

    /// The guest frame at which special page `page` is shown, or -1.
    public synchronized long overlayOf(int page) {
        return specialGfn[page];
    }

    @GuardedBy("this")
    private boolean evict(long gfn) {
        Integer page = specialAt.get(gfn);
        if (page == null) {
            return false;
        }
        hide(page);
        return true;
    }

    @GuardedBy("this")
    private void cover(PhysicalRange range, long gpa, boolean covered) {
        if (range.isOf(ram.file())) {
            coveredRam.set(Math.toIntExact(range.pageNumber(gpa)), covered);
        }
    }

    @GuardedBy("this")
    private PhysicalRange existing(long gpa) {
        PhysicalRange range = ranges.at(gpa);
        if (range == null) {
            throw new IllegalStateException("nothing is shown at %#x".formatted(gpa));
        }
        return range;
    }

    // Pages of other domains.

    /// Shows a page of another domain at a guest frame. It covers the frame's own page until it is removed, and removes
    /// any other page there for good.
    ///
    /// @param gfn any 64 bits
    /// @param mfn the page's machine frame number
    /// @param file the page's memory, which does not change until [#remove]
    /// @param offset of the page in it
    /// @param inUse whether others use the page of that number; called with a lock held
    /// @return false if no page can be there, a foreign page is there already, or there are too many
    synchronized boolean place(
            long gfn, long mfn, MemFd file, long offset, boolean readOnly, LongPredicate inUse) {
        if (!isPossible(gfn)
                || foreignAt.containsKey(gfn)
                || !mappings.take(PhysicalRange.SPLITS)) {
            return false;
        }
        boolean placed = false;
        try {
            long gpa = gfn * GuestMemory.PAGE_SIZE;
            PhysicalRange range = ranges.make(gpa);
            evict(gfn);
            // As in Xen, the domain owns a lost page of RAM until its end.
            boolean _ = takeDisplaced(gfn, inUse);
            range.showToGuest(gpa, file, offset, readOnly);
            cover(range, gpa, true);
            reaches(gfn);
            foreignAt.put(gfn, mfn);
            if (readOnly) {
                readOnlyAt.add(gfn);
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

    /// Removes a page of another domain.
    ///
    /// @param gfn any 64 bits
    /// @return false if that page is not there
    synchronized boolean remove(long gfn, long mfn) {
        if (!foreignAt.remove(gfn, mfn)) {
            return false;
        }
        readOnlyAt.remove(gfn);
        long gpa = gfn * GuestMemory.PAGE_SIZE;
        PhysicalRange range = existing(gpa);
        range.uncoverForGuest(gpa);
        cover(range, gpa, false);
        mappings.give(PhysicalRange.SPLITS);
        return true;
    }

    /// Whether the memory map may have refused a guest's access. The address is then in a hole around shown pages, or
    /// at a page of another domain, which may be read-only.
    ///
    /// @param gpa guest-physical address
    public synchronized boolean mayRefuse(long gpa) {
        PhysicalRange range = ranges.at(gpa);
        return range != null
                && (range.isHole() || foreignAt.containsKey(gpa / GuestMemory.PAGE_SIZE));
    }

    /// The same if the address is not known.
    public synchronized boolean mayRefuseSome() {
        return ranges.hasWindows() || !foreignAt.isEmpty();
    }

    /// The page that the guest sees at a frame; it may be another domain's.
    ///
    /// @throws IllegalStateException if there is none
    public synchronized MemorySegment seenByGuest(long gfn) {
        return existing(gfn * GuestMemory.PAGE_SIZE).guestPage(gfn * GuestMemory.PAGE_SIZE);
    }

    // The domain's own pages.

    /// The page at a guest frame now, by its permanent number: RAM pages first, then special pages.
    ///
    /// @param gfn any 64 bits
    /// @return [GuestFrames#NO_RAM] if there is no memory, [GuestFrames#FOREIGN] if it is a page of another domain
    public synchronized long pageAt(long gfn) {
        if (!isPossible(gfn)) {
            return GuestFrames.NO_RAM;
        }
        long gpa = gfn * GuestMemory.PAGE_SIZE;
        PhysicalRange range = ranges.at(gpa);
        if (range == null) {
            return GuestFrames.NO_RAM;
        }
        if (range.isOf(ram.file())) {
            int page = Math.toIntExact(range.pageNumber(gpa));
            if (!coveredRam.get(page)) {
                return ram.isGone(page) ? GuestFrames.NO_RAM : page;
            }
        }
        // Slow path: pages that guests grant in bulk are plain RAM and have returned above.
        Integer overlaid = specialAt.get(gfn);
        if (overlaid != null) {
            return ram.count() + overlaid;
        }
        Integer displaced = ram.displacedAt(gfn);
        if (displaced != null) {
            return displaced;
        }
        if (foreignAt.containsKey(gfn)) {
            return GuestFrames.FOREIGN;
        }
        return range.isHole() ? GuestFrames.NO_RAM : ram.count() + range.pageNumber(gpa);
    }

    /// The kind of page that the guest finds at a frame (HVMOP_get_mem_type).
    ///
    /// @param gfn any 64 bits
    public synchronized FrameUse useOf(long gfn) {
        if (readOnlyAt.contains(gfn)) {
            return FrameUse.READ_ONLY_RAM;
        }
        return pageAt(gfn) == GuestFrames.NO_RAM ? FrameUse.NO_RAM : FrameUse.RAM;
    }

    /// The memory that contains a page number's page, without a guest's overlays.
    MemorySegment memoryOf(long page) {
        return isRam(page) ? ram.all() : special.pages();
    }

    /// The file that contains a page number's page.
    MemFd fileOf(long page) {
        return isRam(page) ? ram.file() : special.memfd();
    }

    /// Offset of a page number's page in [#memoryOf] and [#fileOf].
    long offsetOf(long page) {
        return (isRam(page) ? page : page - ram.count()) * GuestMemory.PAGE_SIZE;
    }

    /// The number of page numbers.
    long pages() {
        return ram.count() + special.count();
    }

    /// Whether a page number is one of RAM.
    boolean isRam(long page) {
        return page < ram.count();
    }

    /// Bytes of the special pages.
    long specialBytes() {
        return special.pages().byteSize();
    }

    // The domain's reservation.

    /// Takes consecutive pages out of the address space, up to the first that is missing or belongs to another domain
    /// (XENMEM_decrease_reservation). Their memory goes back to the host; the guest reads zeros there until it
    /// populates them again, where Xen would leave a hole.
    ///
    /// @param inUse whether others use the page of that number, which then stays for them; called with a lock held
    /// @return whether all were taken
    public synchronized boolean decrease(long gfn, int count, LongPredicate inUse) {
        for (int i = 0; i < count; i++) {
            if (!take(gfn + i, true, inUse)) {
                return false;
            }
        }
        return true;
    }

    /// Removes the page at `gfn` from the address space (XENMEM_remove_from_physmap). A page of RAM is still owned by
    /// the domain.
    ///
    /// @param gfn any 64 bits
    /// @param inUse as for [#decrease]
    /// @return false if no page is there, or a page of another domain
    public synchronized boolean removeAt(long gfn, LongPredicate inUse) {
        return evict(gfn) || take(gfn, false, inUse);
    }

    /// @param forGood whether the domain no longer owns a page of RAM
    @GuardedBy("this")
    private boolean take(long gfn, boolean forGood, LongPredicate inUse) {
        if (foreignAt.containsKey(gfn)) {
            return false;
        }
        boolean wasSpecial = evict(gfn);
        if (!takeDisplaced(gfn, inUse) && !takeHome(gfn, inUse)) {
            return wasSpecial;
        }
        if (forGood) {
            reservation.give(1);
        }
        return true;
    }

    /// Takes a page from a frame that is not its home.
    ///
    /// @return false if there is none
    @GuardedBy("this")
    private boolean takeDisplaced(long gfn, LongPredicate inUse) {
        if (ram.displacedAt(gfn) == null) {
            return false;
        }
        uncover(gfn);
        ram.free(ram.retrieve(gfn), inUse);
        return true;
    }

    /// Takes a page from its home, which nothing covers.
    ///
    /// @return false if it is not there
    @GuardedBy("this")
    private boolean takeHome(long gfn, LongPredicate inUse) {
        int page = ramPage(gfn);
        if (page < 0 || ram.isGone(page)) {
            return false;
        }
        ram.leave(page);
        ram.free(page, inUse);
        return true;
    }

    /// Puts zeroed pages of RAM at frames, and replaces the pages there, which the domain still owns
    /// (XENMEM_populate_physmap). A frame gets a spare page if it has no page of its own, or if others use that page.
    ///
    /// @param inUse whether others use the page of that number; called with a lock held
    /// @return false if nothing has happened: a frame can have no page, or has another domain's page; the domain may
    ///     not own that many; or the host has not enough
    public synchronized boolean populate(long gfn, int count, LongPredicate inUse) {
        if (!reservation.admits(count)) {
            return false;
        }
        BitSet displaced = new BitSet();
        int cost = 0;
        for (int i = 0; i < count; i++) {
            if (!isPossible(gfn + i) || foreignAt.containsKey(gfn + i)) {
                return false;
            }
            int page = ramPage(gfn + i);
            if (page < 0 || !ram.isFree(page, inUse)) {
                PhysicalRange range = rangeFor(gfn + i);
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

    @GuardedBy("this")
    private @Nullable PhysicalRange rangeFor(long gfn) {
        try {
            return ranges.make(gfn * GuestMemory.PAGE_SIZE);
        } catch (XenError e) {
            return null;
        }
    }

    /// @param offsets of the frames from `gfn`
    @GuardedBy("this")
    private boolean haveRanges(long gfn, BitSet offsets) {
        for (int i = offsets.nextSetBit(0); i >= 0; i = offsets.nextSetBit(i + 1)) {
            if (ranges.at((gfn + i) * GuestMemory.PAGE_SIZE) == null) {
                return false;
            }
        }
        return true;
    }

    /// @param displaced whether a spare page is put there, for which the mappings have been taken
    @GuardedBy("this")
    private void put(long gfn, boolean displaced, LongPredicate inUse) {
        int home = ramPage(gfn);
        // A page covered by a special page is charged again when the special page goes.
        boolean charged = evict(gfn) && home >= 0 && !ram.isGone(home);
        boolean _ = takeDisplaced(gfn, inUse);
        if (displaced) {
            if (home >= 0) {
                ram.leave(home);
            }
            showDisplaced(existing(gfn * GuestMemory.PAGE_SIZE), gfn, ram.takeSpare());
        } else {
            ram.comeHome(home);
        }
        if (!charged) {
            reservation.take(1);
        }
    }

    @GuardedBy("this")
    private void showDisplaced(PhysicalRange range, long gfn, int page) {
        show(range, gfn, ram.file(), RamPages.offset(page), ram.page(page));
        ram.displace(gfn, page);
    }

    /// Moves a page of RAM or a special page from one frame to another (XENMAPSPACE_gmfn). The page that was there is
    /// given up, as by [#overlay]. The guest still sees the page at its home too, where Xen has a hole.
    ///
    /// @param from any 64 bits
    /// @param to any 64 bits
    /// @param inUse whether others use the page of that number; called with a lock held
    /// @throws XenError EACCES there is no page of the domain's at `from`, or one of the fixed special pages; the same
    ///     as [#overlay]
    public synchronized void move(long from, long to, LongPredicate inUse) throws XenError {
        Integer special = specialAt.get(from);
        if (special != null) {
            overlay(special, to, inUse);
            return;
        }
        long page = pageAt(from);
        if (page < 0 || !isRam(page)) {
            throw XenError.EACCES;
        }
        if (!isPossible(to)) {
            throw XenError.EINVAL;
        }
        if (foreignAt.containsKey(to)) {
            throw XenError.ENXIO;
        }
        if (from != to) {
            moveRam(Math.toIntExact(page), from, to, inUse);
        }
    }

    @GuardedBy("this")
    private void moveRam(int page, long from, long to, LongPredicate inUse) throws XenError {
        boolean home = ramPage(to) == page;
        PhysicalRange range = ranges.make(to * GuestMemory.PAGE_SIZE);
        if (!home && !mappings.take(range.splitsForAll())) {
            throw XenError.ENOMEM;
        }
        boolean _ = take(to, true, inUse);
        if (ram.displacedAt(from) == null) {
            ram.leave(page);
        } else {
            uncover(from);
            int _ = ram.retrieve(from);
        }
        if (home) {
            ram.returnHome(page);
        } else {
            showDisplaced(range, to, page);
        }
    }

    /// Lets the domain own more pages, which are not in its address space (XENMEM_increase_reservation).
    ///
    /// @return false if it may not own that many
    public synchronized boolean increase(int count) {
        return reservation.take(count);
    }

    /// The number of pages that the domain owns (XENMEM_current_reservation).
    public synchronized long ownedPages() {
        return reservation.owned();
    }

    /// The number of pages that it may own (XENMEM_maximum_reservation).
    public synchronized long maxPages() {
        return reservation.max();
    }

    /// Changes how much memory the domain may own, as xl does: Xen adds 1 MiB (XEN_DOMCTL_max_mem).
    ///
    /// @param bytes can be less than it owns; then it gets no more
    public synchronized void setMax(long bytes) {
        reservation.setMax(bytes / GuestMemory.PAGE_SIZE);
    }

    /// Makes the domain own more of the RAM that it sees and does not own, as XENMEM_set_pod_target does. Less changes
    /// nothing.
    public synchronized void ownUpTo(long bytes) {
        reservation.ownUpTo(bytes / GuestMemory.PAGE_SIZE);
    }

    // Saved state.

    /// All pages of RAM by their numbers, without pages that cover them for the guest.
    public MemorySegment ram() {
        return ram.all();
    }

    /// Its state without the contents of RAM. No thread changes the memory meanwhile.
    public synchronized MemoryState save() {
        List<MemoryState.Overlay> overlays = new ArrayList<>();
        List<MemoryState.Content> contents = new ArrayList<>();
        for (int page = 0; page < specialGfn.length; page++) {
            if (specialGfn[page] != NOWHERE) {
                overlays.add(new MemoryState.Overlay(page, specialGfn[page]));
            }
            ImmutableLongArray words = ImmutableLongArray.copyOf(special.page(page).toArray(WORD));
            if (words.stream().anyMatch(word -> word != 0)) {
                contents.add(new MemoryState.Content(page, words));
            }
        }
        MemoryState.Account account = reservation.save();
        return new MemoryState(
                overlays,
                ram.saveGone(),
                account.owned(),
                contents,
                Optional.of(
                        new MemoryState.Further(
                                account.max(), account.onDemand(), highest, ram.saveDisplaced())));
    }

    /// Takes over a saved domain's state. The memory is new.
    ///
    /// @throws IllegalArgumentException if the domain cannot have this state
    public synchronized void restore(MemoryState state) {
        for (MemoryState.Content content : state.contents()) {
            requirePage(content.page());
            MemorySegment page = special.page(content.page());
            MemorySegment.copy(
                    content.words().toArray(), 0, page, WORD, 0, content.words().length());
        }
        ram.restoreGone(state.gone());
        for (MemoryState.Overlay overlay : state.overlays()) {
            requirePage(overlay.page());
            try {
                overlay(overlay.page(), overlay.gfn(), _ -> false);
            } catch (XenError e) {
                throw new IllegalArgumentException(
                        "a special page cannot be at frame %#x".formatted(overlay.gfn()), e);
            }
        }
        MemoryState.Further further = state.further().orElse(null);
        if (further == null) {
            reservation.restore(
                    new MemoryState.Account(
                            state.owned(), reservation.max(), reservation.onDemand()));
            return;
        }
        further.displaced().forEach(this::restore);
        highest = further.highest();
        // Showing pages over RAM has changed the account.
        reservation.restore(
                new MemoryState.Account(state.owned(), further.max(), further.onDemand()));
    }

    private synchronized void restore(MemoryState.Displaced displaced) {
        long gfn = displaced.gfn();
        ram.restoreDisplaced(displaced.page());
        PhysicalRange range = isPossible(gfn) ? rangeFor(gfn) : null;
        int home = ramPage(gfn);
        if (range == null
                || specialAt.containsKey(gfn)
                || ram.displacedAt(gfn) != null
                || (home >= 0 && !ram.isGone(home))
                || !mappings.take(range.splitsForAll())) {
            throw new IllegalArgumentException("no page of RAM can be at frame %#x".formatted(gfn));
        }
        showDisplaced(range, gfn, displaced.page());
    }

    private void requirePage(int page) {
        if (page >= special.count()) {
            throw new IllegalArgumentException("no special page " + page);
        }
    }

    /// Opens a channel that reads RAM as [#ram] has it. Reading takes no memory from the host for pages that were never
    /// touched.
    public FileChannel readRam() throws IOException {
        return ram.file().reader();
    }

    /// The special pages that the guest has placed, and the pages of RAM at frames that are not their own, by their
    /// frames.
    public synchronized Map<Long, MemorySegment> shownPages() {
        Map<Long, MemorySegment> shown = new HashMap<>(ram.displacedPages());
        specialAt.forEach((gfn, page) -> shown.put(gfn, special.page(page)));
        return shown;
    }

    /// The number of the page of RAM that belongs at `gfn`; -1 if there is none.
    @GuardedBy("this")
    private int ramPage(long gfn) {
        if (!isPossible(gfn)) {
            return -1;
        }
        PhysicalRange range = ranges.at(gfn * GuestMemory.PAGE_SIZE);
        return range != null && range.isOf(ram.file())
                ? Math.toIntExact(range.pageNumber(gfn * GuestMemory.PAGE_SIZE))
                : -1;
    }

    /// Gives all RAM back to the host, except some pages, after the end of the guest.
    ///
    /// @param pages in ascending order
    void keepOnly(long[] pages) {
        long from = 0;
        for (long page : pages) {
            ram.discard(from, page);
            from = page + 1;
        }
        ram.discard(from, ram.count());
    }

    /// Gives a page of RAM back to the host, after the end of the guest.
    void free(long page) {
        ram.discard(page, page + 1);
    }

    /// Ends the guest's address space, and so its use of other domains' pages, and the service's view of it. The VM
    /// is closed. Other domains may still use this domain's own pages.
    public synchronized void endGuest() {
        ranges.close();
        if (serviceViews.scope().isAlive()) {
            serviceViews.close();
        }
        foreignAt.clear();
        readOnlyAt.clear();
    }

    /// Frees the memory.
    @Override
    public void close() {
        endGuest();
        ram.close();
    }
}
