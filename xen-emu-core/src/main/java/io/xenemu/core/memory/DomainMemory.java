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
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongPredicate;

/// A domain's guest-physical memory: RAM in one memfd, special pages in another, and pages that the guest has placed
/// over them or in holes: special pages (XENMEM_add_to_physmap), and pages that other domains grant.
///
/// A special page is at one frame at most. Xen frees the RAM page that it covers. Here the RAM page comes back,
/// zeroed, when the special page moves away, as after Xen's own soft reset, unless the guest has given it up or the
/// domain may not own more. A RAM page under a foreign page comes back unchanged. The service reads hypercall
/// arguments from beneath foreign pages, where Xen answers EFAULT.
public final class DomainMemory implements BootMemory, AutoCloseable {
    private static final long NOWHERE = -1;
    private static final ValueLayout.OfLong WORD =
            ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// Guest frame numbers are below this; no CPU addresses more than 52 bits.
    private static final long GFN_LIMIT = 1L << 40;

    private final MemFd ram;

    /// All pages of RAM, without what covers them for the guest.
    private final MemorySegment ramPages;

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

    /// The covered pages of RAM, by their number in [#ramPages].
    @GuardedBy("this")
    private final BitSet coveredRam = new BitSet();

    /// The pages of RAM that the guest has given up.
    @GuardedBy("this")
    private final BitSet gone = new BitSet();

    @GuardedBy("this")
    private final Reservation reservation;

    public DomainMemory(
            VmPort vm,
            String name,
            GuestMemoryMap map,
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
                        ramBytes / GuestMemory.PAGE_SIZE,
                        (ramBytes - GuestMemoryMap.ACPI_SIZE) / GuestMemory.PAGE_SIZE);
        ranges = new PhysicalRanges(vm, mappings, holes);
        ram = MemFd.create("xen-ram-" + name, ramBytes);
        try {
            addRanges(map);
            ramPages = ram.map(0, ramBytes);
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
                addRange(slot, ram, ramOffset);
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
        try {
            return guest.segment(gfn * GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE);
        } catch (XenError e) {
            throw XenError.EINVAL;
        }
    }

    private static boolean isPossible(long gfn) {
        return gfn >= 0 && gfn < GFN_LIMIT;
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
    /// @throws XenError EINVAL no page can be there (beyond the guest's address width, or where KVM has a device);
    ///     ENXIO the guest maps a foreign page there; ENOMEM too many places
    public synchronized void overlay(int page, long gfn) throws XenError {
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
        range.showToAll(gpa, special.memfd(), (long) page * GuestMemory.PAGE_SIZE);
        if (range.isHole()) {
            guest.add(gpa, special.page(page));
        }
        hide(page);
        cover(range, gpa, true);
        int covered = ramPage(gfn);
        if (covered >= 0 && !gone.get(covered)) {
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
        long gpa = gfn * GuestMemory.PAGE_SIZE;
        PhysicalRange range = existing(gpa);
        if (range.isHole()) {
            guest.remove(gpa);
        }
        range.uncoverForAll(gpa);
        mappings.give(range.splitsForAll());
        int uncovered = ramPage(gfn);
        if (uncovered >= 0) {
            ramPages.asSlice((long) uncovered * GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE)
                    .fill((byte) 0);
            if (!gone.get(uncovered) && !reservation.take(1)) {
                gone.set(uncovered);
            }
        }
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
        if (range.isOf(ram)) {
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

    /// Shows a page of another domain at a guest frame. It removes a special page there for good, and covers another
    /// page until it is removed.
    ///
    /// @param gfn any 64 bits
    /// @param mfn the page's machine frame number
    /// @param file the page's memory, which does not change until [#remove]
    /// @param offset of the page in it
    /// @return false if no page can be there, a foreign page is there already, or there are too many
    synchronized boolean place(long gfn, long mfn, MemFd file, long offset, boolean readOnly) {
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
            range.showToGuest(gpa, file, offset, readOnly);
            cover(range, gpa, true);
            foreignAt.put(gfn, mfn);
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
        long gpa = gfn * GuestMemory.PAGE_SIZE;
        PhysicalRange range = existing(gpa);
        range.uncoverForGuest(gpa);
        cover(range, gpa, false);
        mappings.give(PhysicalRange.SPLITS);
        return true;
    }

    /// Whether the memory map may have refused a guest's access: the address is in a hole around shown pages, or at a
    /// page of another domain, which may be read-only.
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
        if (range.isOf(ram)) {
            long page = range.pageNumber(gpa);
            if (!coveredRam.get(Math.toIntExact(page))) {
                return gone.get(Math.toIntExact(page)) ? GuestFrames.NO_RAM : page;
            }
        }
        // Slow path: pages that guests grant in bulk are plain RAM and have returned above.
        Integer overlaid = specialAt.get(gfn);
        if (overlaid != null) {
            return ramPageCount() + overlaid;
        }
        if (foreignAt.containsKey(gfn)) {
            return GuestFrames.FOREIGN;
        }
        return range.isHole() ? GuestFrames.NO_RAM : ramPageCount() + range.pageNumber(gpa);
    }

    /// The memory that contains a page number's page, without a guest's overlays.
    MemorySegment memoryOf(long page) {
        return page < ramPageCount() ? ramPages : special.pages();
    }

    /// The file that contains a page number's page.
    MemFd fileOf(long page) {
        return page < ramPageCount() ? ram : special.memfd();
    }

    /// Offset of a page number's page in [#memoryOf] and [#fileOf].
    long offsetOf(long page) {
        long ramCount = ramPageCount();
        return (page < ramCount ? page : page - ramCount) * GuestMemory.PAGE_SIZE;
    }

    /// The number of page numbers.
    long pages() {
        return ramPageCount() + special.count();
    }

    /// Whether a page number is one of RAM.
    boolean isRam(long page) {
        return page < ramPageCount();
    }

    /// Bytes of the special pages.
    long specialBytes() {
        return special.pages().byteSize();
    }

    private long ramPageCount() {
        return ramPages.byteSize() / GuestMemory.PAGE_SIZE;
    }

    // The domain's reservation.

    /// Takes consecutive pages out of the address space, up to the first that is missing or belongs to another domain
    /// (XENMEM_decrease_reservation). Their memory goes back to the host; the guest reads zeros there until it
    /// populates them again, where Xen would leave a hole.
    ///
    /// @param inUse whether others use a page number's page, which then stays for them; called with a lock held
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
        int page = ramPage(gfn);
        if (page < 0 || gone.get(page)) {
            return wasSpecial;
        }
        gone.set(page);
        if (forGood) {
            reservation.give(1);
        }
        if (!inUse.test(page)) {
            ram.discard(
                    ramPages.asSlice((long) page * GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE));
        }
        return true;
    }

    /// Puts zeroed pages of RAM at its frames, and replaces the pages there, which the domain still owns
    /// (XENMEM_populate_physmap). Xen does so at any frame.
    ///
    /// @param inUse whether others use a page number's page, so that its frame can get no other page; called with a
    ///     lock held
    /// @return false if a frame is not one of RAM, a page cannot be replaced, or the domain may not own that many;
    ///     then nothing has happened
    public synchronized boolean populate(long gfn, int count, LongPredicate inUse) {
        if (!reservation.admits(count)) {
            return false;
        }
        for (int i = 0; i < count; i++) {
            int page = ramPage(gfn + i);
            if (page < 0 || foreignAt.containsKey(gfn + i) || inUse.test(page)) {
                return false;
            }
        }
        for (int i = 0; i < count; i++) {
            int page = ramPage(gfn + i);
            // A page covered by a special page is charged again when the special page goes.
            boolean charged = evict(gfn + i) && !gone.get(page);
            gone.clear(page);
            if (!charged) {
                reservation.take(1);
            }
            ram.discard(
                    ramPages.asSlice((long) page * GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE));
        }
        return true;
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

    // Saved state.

    /// All pages of RAM, in the order of their addresses, without what covers them for the guest.
    public MemorySegment ram() {
        return ramPages;
    }

    /// The state beside the contents of RAM; nobody changes the memory meanwhile.
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
        ImmutableLongArray goneWords = ImmutableLongArray.copyOf(gone.toLongArray());
        return new MemoryState(overlays, goneWords, reservation.owned(), contents);
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
        gone.or(BitSet.valueOf(state.gone().toArray()));
        if (gone.length() > ramPageCount()) {
            throw new IllegalArgumentException("it has given up pages that it does not have");
        }
        for (MemoryState.Overlay overlay : state.overlays()) {
            requirePage(overlay.page());
            try {
                overlay(overlay.page(), overlay.gfn());
            } catch (XenError e) {
                throw new IllegalArgumentException(
                        "a special page cannot be at frame %#x".formatted(overlay.gfn()), e);
            }
        }
        // Showing pages over RAM has changed the account.
        reservation.restore(state.owned());
    }

    private void requirePage(int page) {
        if (page >= special.count()) {
            throw new IllegalArgumentException("no special page " + page);
        }
    }

    /// The number of the page of RAM that belongs at `gfn`; -1 if there is none.
    @GuardedBy("this")
    private int ramPage(long gfn) {
        if (!isPossible(gfn)) {
            return -1;
        }
        PhysicalRange range = ranges.at(gfn * GuestMemory.PAGE_SIZE);
        return range != null && range.isOf(ram)
                ? Math.toIntExact(range.pageNumber(gfn * GuestMemory.PAGE_SIZE))
                : -1;
    }

    /// Gives all RAM back to the host, except some pages, after the end of the guest.
    ///
    /// @param pages in ascending order
    void keepOnly(long[] pages) {
        long from = 0;
        for (long page : pages) {
            giveBack(from, page);
            from = page + 1;
        }
        giveBack(from, ramPageCount());
    }

    /// Gives a page of RAM back to the host, after the end of the guest.
    void free(long page) {
        giveBack(page, page + 1);
    }

    private void giveBack(long from, long to) {
        if (from < to) {
            ram.discard(
                    ramPages.asSlice(
                            from * GuestMemory.PAGE_SIZE, (to - from) * GuestMemory.PAGE_SIZE));
        }
    }

    /// Ends the guest's address space, and so its use of other domains' pages, and the service's view of it. The VM
    /// is closed. Other domains may still use this domain's own pages.
    public synchronized void endGuest() {
        ranges.close();
        if (serviceViews.scope().isAlive()) {
            serviceViews.close();
        }
        foreignAt.clear();
    }

    /// Frees the memory.
    @Override
    public void close() {
        endGuest();
        ram.close();
    }
}
