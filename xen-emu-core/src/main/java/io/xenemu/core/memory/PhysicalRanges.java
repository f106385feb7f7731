package io.xenemu.core.memory;

import io.xenemu.core.host.HostBudget;
import io.xenemu.core.vm.GuestView;
import io.xenemu.core.vm.VmPort;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// The KVM slots of a domain: its memory, and windows of up to 2 MiB where the guest places pages outside of it. A
/// window is made for the first page in it. Not thread-safe.
public final class PhysicalRanges implements AutoCloseable {
    /// Bytes of a window, which begins and ends at multiples of this or at other ranges.
    static final long WINDOW = 2L << 20;

    /// 2 GiB of addresses. Each window costs KVM some kilobytes.
    static final int MAX_WINDOWS = 1024;

    private final VmPort vm;
    private final HostBudget.Share mappings;
    private final HolePages holes;
    private final Arena guestViews = Arena.ofShared();

    /// The domain's memory: a few ranges, searched first and without allocating.
    private final List<PhysicalRange> memory = new ArrayList<>();

    /// The memory and the windows, by start address.
    private final NavigableMap<Long, PhysicalRange> byStart = new TreeMap<>();

    /// The memory's slots, in the order of [#memory].
    private final List<SlotLog.Slot> memorySlots = new ArrayList<>();

    private final NavigableMap<Long, Window> windows = new TreeMap<>();
    private final Deque<Window> unused = new ArrayDeque<>();
    private int slots;

    /// @param slot its number in KVM
    /// @param view [#WINDOW] bytes for it
    private record Window(int slot, GuestView view) {}

    /// @param mappings the domain's share: each window takes one
    /// @param holes the pages that a guest reads in holes
    PhysicalRanges(VmPort vm, HostBudget.Share mappings, HolePages holes) {
        this.vm = vm;
        this.mappings = mappings;
        this.holes = holes;
    }

    /// Adds memory of the domain.
    ///
    /// @param serviceView the service's mapping of the same pages
    void add(long start, MemFd memfd, long offset, MemorySegment serviceView) {
        GuestView view = vm.view(guestViews, memfd, offset, serviceView.byteSize(), false);
        vm.setMemoryRegion(slots, start, view, view.bytes());
        memorySlots.add(new SlotLog.Slot(slots, start, view, offset / GuestMemory.PAGE_SIZE));
        slots++;
        PhysicalRange range = new PhysicalRange(start, memfd, offset, view, serviceView);
        memory.add(range);
        byStart.put(start, range);
    }

    /// The range that contains an address, or null.
    @Nullable PhysicalRange at(long gpa) {
        for (int i = 0; i < memory.size(); i++) {
            PhysicalRange range = memory.get(i);
            if (gpa >= range.start() && gpa < range.end()) {
                return range;
            }
        }
        var below = byStart.floorEntry(gpa);
        return below != null && gpa < below.getValue().end() ? below.getValue() : null;
    }

    /// The mappings of a memory. Those of windows are not among them.
    List<RamView> views(MemFd of) {
        return memory.stream()
                .filter(range -> range.isOf(of))
                .flatMap(range -> range.views().stream())
                .toList();
    }

    /// The slots of a memory.
    List<SlotLog.Slot> slots(MemFd of) {
        return memorySlots.stream()
                .filter(slot -> Objects.requireNonNull(at(slot.start())).isOf(of))
                .toList();
    }

    /// The range that contains an address. If there is none, a window is made.
    ///
    /// @throws XenError EINVAL no page can be there: beyond the guest's address width, or where KVM has a device;
    ///     ENOMEM all windows that the domain may have are in use
    PhysicalRange make(long gpa) throws XenError {
        PhysicalRange range = at(gpa);
        if (range != null) {
            return range;
        }
        long start = gpa & -WINDOW;
        long end = start + WINDOW;
        var below = byStart.lowerEntry(gpa);
        if (below != null) {
            start = Math.max(start, below.getValue().end());
        }
        Long above = byStart.higherKey(gpa);
        if (above != null) {
            end = Math.min(end, above);
        }
        return makeWindow(start, end - start);
    }

    private PhysicalRange makeWindow(long start, long length) throws XenError {
        Window window = unused();
        try {
            vm.setMemoryRegion(window.slot, start, window.view, length);
        } catch (KvmException e) {
            unused.push(window);
            // Only these errors are the guest's fault.
            if (e.errno() == Errno.EINVAL || e.errno() == Errno.EEXIST) {
                throw XenError.EINVAL;
            }
            throw e;
        }
        PhysicalRange range = new PhysicalRange(start, length, holes.memory(), window.view);
        byStart.put(start, range);
        windows.put(start, window);
        return range;
    }

    private Window unused() throws XenError {
        Window window = unused.poll();
        if (window != null) {
            return window;
        }
        // A window is useless without a mapping for a page in it.
        if (windows.size() < MAX_WINDOWS && mappings.take(1 + PhysicalRange.SPLITS)) {
            mappings.give(PhysicalRange.SPLITS);
            return new Window(slots++, vm.view(guestViews, holes.memory(), 0, WINDOW, true));
        }
        for (long start : windows.keySet()) {
            PhysicalRange range = at(start);
            if (range != null && range.shown() == 0) {
                return remove(start);
            }
        }
        throw XenError.ENOMEM;
    }

    private Window remove(long start) {
        Window window = Objects.requireNonNull(windows.remove(start));
        byStart.remove(start);
        vm.deleteMemoryRegion(window.slot);
        return window;
    }

    /// Whether there is any window.
    boolean hasWindows() {
        return !windows.isEmpty();
    }

    /// Unmaps the guest's mappings. The VM is closed.
    @Override
    public void close() {
        if (guestViews.scope().isAlive()) {
            guestViews.close();
        }
    }
}
