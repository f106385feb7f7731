package io.xenemu.core.memory;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.boot.BootMemory;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.host.HostBudget;
import io.xenemu.core.vm.VmPort;
import io.xenemu.gnttab.GuestFrames;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// A domain's guest-physical memory: RAM in one memfd, special pages in another. The guest can place pages over them or
/// in holes: special pages (XENMEM_add_to_physmap), and pages that other domains grant. It can also place RAM at other
/// frames than its own (XENMEM_populate_physmap, XENMAPSPACE_gmfn).
///
/// A special page is at one frame at most. Xen frees the RAM page that it covers. Here the RAM page comes back, zeroed,
/// when the special page moves away, as after Xen's own soft reset. It does not come back if the guest has given it up,
/// or if the domain may not own more. A RAM page under a foreign page comes back unchanged. The service reads hypercall
/// arguments from beneath foreign pages, where Xen answers EFAULT.
///
/// Its monitor is the one lock of the guest's address space. This class finds pages, keeps the domain's account, and
/// saves; [DomainPhysmap] changes what is at a frame, with the same monitor held. The parts below have no locks.
public final class DomainMemory implements BootMemory, LateMemory, AutoCloseable {
    private final RamPages ram;
    private final SpecialPages pages;
    private final PageNumbers numbers;
    private final GuestMemory guest = new GuestMemory();
    private final VmPort vm;

    /// The pages of RAM that the guest has ever named for lasting use: Xen and KVM write to them at any time.
    @GuardedBy("this")
    private final BitSet named = new BitSet();

    /// Whether this process's writes are logged.
    private volatile boolean isLogged;

    /// RAM that comes while the domain runs, or has come so.
    private volatile @Nullable LatePages late;

    @GuardedBy("this")
    final Reservation reservation;

    @GuardedBy("this")
    final AddressSpace space;

    @GuardedBy("this")
    final SpecialOverlays special;

    @GuardedBy("this")
    final ForeignOverlays foreign;

    @GuardedBy("this")
    final RamPlacement placement;

    /// @param name for /proc/PID/maps
    /// @param map the guest's physical address map
    /// @param memory bytes of RAM that it owns at first: at most the RAM that it sees
    /// @param pages its special pages
    /// @param mappings its share of the process's mappings
    /// @param holes the pages that it reads in holes
    /// @param filled RAM that has its contents already, which is taken over; null for new RAM
    /// @throws IllegalArgumentException if that has another size
    public DomainMemory(
            VmPort vm,
            String name,
            GuestMemoryMap map,
            long memory,
            SpecialPages pages,
            HostBudget.Share mappings,
            HolePages holes,
            @Nullable MemFd filled) {
        this.pages = pages;
        this.vm = vm;
        long ramBytes = homeBytes(map);
        // As on Xen, the pages of its ACPI tables are owned in addition to its memory.
        reservation =
                new Reservation(
                        memory / GuestMemory.PAGE_SIZE,
                        (ramBytes - map.acpiBytes()) / GuestMemory.PAGE_SIZE,
                        map.acpiBytes() / GuestMemory.PAGE_SIZE);
        ram = new RamPages("xen-ram-" + name, ramBytes, filled);
        numbers = new PageNumbers(ram, pages);
        try {
            space = new AddressSpace(vm, map, ram, pages, guest, mappings, holes);
        } catch (RuntimeException e) {
            ram.close();
            throw e;
        }
        special = new SpecialOverlays(pages, space, ram, reservation, mappings);
        foreign = new ForeignOverlays(space, special, mappings);
        placement = new RamPlacement(space, ram, special, foreign, reservation, mappings);
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

    /// A page that the guest of a restored domain named before the save, and may have given up since.
    ///
    /// @throws XenError EINVAL if there is no memory for it
    public MemorySegment namedBefore(long gfn) throws XenError {
        if (!AddressSpace.isPossible(gfn)) {
            throw XenError.EINVAL;
        }
        try {
            noteNamed(gfn);
            return guest.segment(gfn * GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE);
        } catch (XenError e) {
            throw XenError.EINVAL;
        }
    }

    private synchronized void noteNamed(long gfn) {
        long page = pageAt(gfn);
        if (page >= 0 && numbers.isRam(page)) {
            named.set(Math.toIntExact(page));
        }
        int home = space.ramPage(gfn);
        if (home >= 0) {
            // A page over it may go.
            named.set(home);
        }
    }

    /// The highest frame that ever had a page (XENMEM_maximum_gpfn).
    public synchronized long highestGfn() {
        return space.highest();
    }

    @Override
    public void write(long gpa, MemorySegment source) {
        try {
            guest.copyOut(source, 0, gpa, source.byteSize());
        } catch (XenError e) {
            throw new IllegalArgumentException("not guest memory: %#x".formatted(gpa), e);
        }
    }

    // The page at each frame.

    /// The guest frame at which special page `page` is shown, or -1.
    public synchronized long overlayOf(int page) {
        return special.gfnOf(page);
    }

    /// Whether the memory map may have refused a guest's access. The address is then in a hole around shown pages, or
    /// at a page of another domain, which may be read-only.
    ///
    /// @param gpa guest-physical address
    public synchronized boolean mayRefuse(long gpa) {
        PhysicalRange range = space.rangeAt(gpa);
        return range != null && (range.isHole() || foreign.isAt(gpa / GuestMemory.PAGE_SIZE));
    }

    /// Whether the memory map may have refused a guest's access to an unknown address.
    public synchronized boolean mayRefuseSome() {
        return space.hasWindows() || !foreign.isEmpty();
    }

    /// The page that the guest sees at a frame; it may be another domain's.
    ///
    /// @throws IllegalStateException if there is none
    public synchronized MemorySegment seenByGuest(long gfn) {
        return space.existing(gfn * GuestMemory.PAGE_SIZE).guestPage(gfn * GuestMemory.PAGE_SIZE);
    }

    /// The page at a guest frame now, by its permanent number: RAM pages first, then special pages.
    ///
    /// @param gfn any 64 bits
    /// @return [GuestFrames#NO_RAM] if there is no memory, [GuestFrames#FOREIGN] if it is a page of another domain
    public synchronized long pageAt(long gfn) {
        if (!AddressSpace.isPossible(gfn)) {
            return GuestFrames.NO_RAM;
        }
        long gpa = gfn * GuestMemory.PAGE_SIZE;
        PhysicalRange range = space.rangeAt(gpa);
        if (range == null) {
            return GuestFrames.NO_RAM;
        }
        if (range.isOf(ram.file())) {
            int page = Math.toIntExact(range.pageNumber(gpa));
            if (!space.isCovered(page)) {
                return ram.isGone(page) ? GuestFrames.NO_RAM : page;
            }
        }
        // Slow path: pages that guests grant in bulk are plain RAM and have returned above.
        Integer overlaid = special.at(gfn);
        if (overlaid != null) {
            return numbers.ofSpecial(overlaid);
        }
        Integer displaced = ram.displacedAt(gfn);
        if (displaced != null) {
            return displaced;
        }
        if (foreign.isAt(gfn)) {
            return GuestFrames.FOREIGN;
        }
        return range.isHole() ? GuestFrames.NO_RAM : numbers.ofSpecial(range.pageNumber(gpa));
    }

    /// The kind of page that the guest finds at a frame (HVMOP_get_mem_type).
    ///
    /// @param gfn any 64 bits
    public synchronized FrameUse useOf(long gfn) {
        if (foreign.isReadOnly(gfn)) {
            return FrameUse.READ_ONLY_RAM;
        }
        return pageAt(gfn) == GuestFrames.NO_RAM ? FrameUse.NO_RAM : FrameUse.RAM;
    }

    /// The permanent numbers of its pages.
    PageNumbers numbers() {
        return numbers;
    }

    // The domain's reservation.

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

    // What was written.

    /// Lets a set be told of this process's writes to RAM, or ends that.
    ///
    /// @throws IllegalStateException if there is one already
    void logTo(@Nullable DirtyPages dirty) {
        if (dirty != null && isLogged) {
            throw new IllegalStateException("its writes are logged already");
        }
        isLogged = dirty != null;
        ram.logTo(dirty);
        guest.logTo(dirty);
    }

    /// The pages of RAM that can be written without a trace in a log, but for those that others have mapped.
    synchronized BitSet written() {
        BitSet pages = new BitSet();
        pages.or(named);
        ram.addDisplaced(pages);
        return pages;
    }

    /// KVM's slots of its RAM.
    synchronized List<SlotLog.Slot> ramSlots() {
        return space.ramSlots();
    }

    /// The VM that has these slots.
    VmPort vm() {
        return vm;
    }

    // Saved state.

    private static long homeBytes(GuestMemoryMap map) {
        return map.slots().stream()
                .filter(slot -> slot.backing() == GuestMemoryMap.Backing.RAM)
                .mapToLong(GuestMemoryMap.Slot::length)
                .sum();
    }

    /// All pages of RAM by their numbers, without pages that cover them for the guest. Waits until all are there.
    public MemorySegment ram() {
        awaitAll();
        return ram.all();
    }

    /// The file behind [#ram], which tells where that has memory of the host. Waits until all pages are there.
    public MemFd ramFile() {
        awaitAll();
        return ram.file();
    }

    @Override
    public long ramBytes() {
        return ram.file().size();
    }

    @Override
    public synchronized List<RamView> ramViews() {
        List<RamView> views = new ArrayList<>();
        views.add(new RamView(ram.all(), 0));
        views.addAll(space.ramViews());
        return views;
    }

    @Override
    public synchronized void comesLater(LatePages pages) {
        late = pages;
        guest.awaits(pages.missing());
        ram.awaits(pages.missing());
    }

    @Override
    public synchronized void hasCome() {
        guest.awaits(null);
        ram.awaits(null);
    }

    /// Waits until all pages of RAM are there: at once, unless they come later.
    public void awaitAll() {
        LatePages pages = late;
        if (pages != null) {
            pages.awaitAll();
        }
    }

    /// Its state without the contents of RAM. No thread changes the memory meanwhile.
    public synchronized MemoryState save() {
        MemoryState.Account account = reservation.save();
        return new MemoryState(
                special.save(),
                ram.saveGone(),
                account.owned(),
                pages.save(),
                Optional.of(
                        new MemoryState.Further(
                                account.max(),
                                account.onDemand(),
                                space.highest(),
                                ram.saveDisplaced())));
    }

    /// The reason for which its state cannot be saved; empty if there is none. Only a guest of more than 1 TiB can have
    /// given up its memory in so many pieces.
    public synchronized Optional<String> blocker() {
        return ram.saveGone().fits()
                ? Optional.empty()
                : Optional.of("it has given up its memory in too many pieces");
    }

    /// Takes over a saved domain's state. The memory is new.
    ///
    /// @throws IllegalArgumentException if the domain cannot have this state
    public synchronized void restore(MemoryState state) {
        pages.restore(state.contents());
        ram.restoreGone(state.gone());
        special.restore(state.overlays());
        MemoryState.Further further = state.further().orElse(null);
        if (further == null) {
            reservation.restore(
                    new MemoryState.Account(
                            state.owned(), reservation.max(), reservation.onDemand()));
            return;
        }
        further.displaced().forEach(placement::restore);
        space.restoreHighest(further.highest());
        // Showing pages over RAM has changed the account.
        reservation.restore(
                new MemoryState.Account(state.owned(), further.max(), further.onDemand()));
    }

    /// Opens a channel that reads RAM as [#ram] has it. Reading takes no memory from the host for pages that were never
    /// touched.
    ///
    /// @throws IOException if it cannot be opened, or its pages are lost
    public FileChannel readRam() throws IOException {
        try {
            awaitAll();
        } catch (KvmException e) {
            throw new IOException(e.getMessage(), e);
        }
        return ram.file().reader();
    }

    /// The special pages that the guest has placed, and the pages of RAM at frames that are not their own, by their
    /// frames.
    public synchronized Map<Long, MemorySegment> shownPages() {
        Map<Long, MemorySegment> shown = new HashMap<>(ram.displacedPages());
        shown.putAll(special.pages());
        return shown;
    }

    /// Ends the guest's address space, and so its use of other domains' pages, and the service's view of it. The VM
    /// is closed. Other domains may still use this domain's own pages.
    public void endGuest() {
        LatePages pages = late;
        if (pages != null) {
            // Not with the monitor held: what brings the pages may need it.
            pages.end();
        }
        synchronized (this) {
            space.close();
            foreign.clear();
        }
    }

    /// Frees the memory.
    @Override
    public void close() {
        endGuest();
        ram.close();
    }
}
