package io.xenemu.core.xenimage;

import com.google.common.primitives.ImmutableLongArray;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.memory.MemoryState;
import io.xenemu.core.memory.PageRuns;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.wire.WireException;

/// Where a guest of Xen has its memory, from the frames that its image has.
///
/// Frames within RAM that the image does not have are gone, as if the guest had given them up: the frame of
/// shared_info, and those that its balloon has taken. Xen's special pages are not RAM. Their contents are not needed:
/// Xen clears those for XenStore and the console, and uses the others for itself.
final class ImportedMemory {
    private static final long ACPI_START = frame(GuestMemoryMap.ACPI_START);
    private static final long ACPI_END =
            frame(GuestMemoryMap.ACPI_START + MachineLayout.MAX_ACPI_BYTES);
    private static final long SPECIAL_START = frame(GuestMemoryMap.SPECIAL_START);
    private static final long SPECIAL_END =
            frame(GuestMemoryMap.SPECIAL_START + GuestMemoryMap.SPECIAL_SIZE);
    private static final long HIGH_START = frame(GuestMemoryMap.HIGH_RAM_START);

    private ImportedMemory() {}

    private static long frame(long address) {
        return address / GuestMemory.PAGE_SIZE;
    }

    /// The number that no frame of a guest reaches.
    ///
    /// @param maxMemoryKib the memory that it may have
    static long frames(long maxMemoryKib) {
        return HIGH_START + maxMemoryKib * 1024 / GuestMemory.PAGE_SIZE;
    }

    /// The layout.
    ///
    /// @throws WireException if a PVH guest of Xen does not have these frames
    static MachineLayout layout(PageSet present, int apicIdStep) throws WireException {
        requireNone(present, ACPI_END, SPECIAL_START);
        requireNone(present, SPECIAL_END, HIGH_START);
        long low = present.lastBefore(ACPI_START) + 1;
        long acpi = Math.max(0, present.lastBefore(ACPI_END) + 1 - ACPI_START);
        long high = Math.max(0, present.lastBefore(Long.MAX_VALUE) + 1 - HIGH_START);
        if (low == 0) {
            throw new WireException("the guest has no memory at address 0");
        }
        return new MachineLayout(
                low * GuestMemory.PAGE_SIZE,
                acpi * GuestMemory.PAGE_SIZE,
                high * GuestMemory.PAGE_SIZE,
                apicIdStep);
    }

    private static void requireNone(PageSet present, long from, long to) throws WireException {
        long found = present.next(from);
        if (found >= 0 && found < to) {
            throw new WireException(
                    "there is a page at frame %#x, where a PVH guest has none".formatted(found));
        }
    }

    /// The state of its memory.
    ///
    /// @param maxMemoryKib the memory that it may have
    /// @throws WireException if it has more
    static MemoryState state(PageSet present, MachineLayout layout, long maxMemoryKib)
            throws WireException {
        long acpi = frame(layout.acpiBytes());
        long most = Math.min(frame(layout.bytes()) - acpi, frame(maxMemoryKib * 1024));
        ImmutableLongArray.Builder gone = ImmutableLongArray.builder();
        long owned = 0;
        long word = 0;
        long page = 0;
        for (long[] range : ranges(layout)) {
            for (long frame = range[0]; frame < range[0] + range[1]; frame++) {
                if (present.has(frame)) {
                    owned++;
                } else {
                    word |= 1L << page;
                }
                page++;
                if (page % Long.SIZE == 0) {
                    gone.add(word);
                    word = 0;
                }
            }
        }
        if (word != 0) {
            gone.add(word);
        }
        if (owned > most + acpi) {
            throw new WireException(
                    "the image has %d pages, and the guest's memory %d".formatted(owned, most));
        }
        return MemoryState.imported(
                PageRuns.of(gone.build()),
                owned,
                most,
                Math.max(present.lastBefore(Long.MAX_VALUE), SPECIAL_END - 1));
    }

    /// The first frame, and the number of frames, of each range of RAM.
    private static long[][] ranges(MachineLayout layout) {
        return new long[][] {
            {0, frame(layout.lowRamBytes())},
            {ACPI_START, frame(layout.acpiBytes())},
            {HIGH_START, frame(layout.highRamBytes())}
        };
    }
}
