package io.xenemu.core.coredump;

import io.xenemu.core.boot.GuestMemoryMap;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.NavigableMap;

/// A range of a guest's memory in a core.
///
/// @param start guest physical
/// @param length in bytes, whole pages
/// @param ram offset of the range in the domain's RAM, in bytes, or [#NO_RAM]
record CoreRange(long start, long length, long ram) {
    /// The range has no RAM: each of its pages is a placed one.
    static final long NO_RAM = -1;

    private static final long PAGE = GuestMemoryMap.PAGE_SIZE;

    /// All ranges in the order of their addresses.
    ///
    /// @param placed pages that cover RAM, or lie where the guest has none, by their frames
    static List<CoreRange> all(GuestMemoryMap map, NavigableMap<Long, MemorySegment> placed) {
        List<CoreRange> ranges = new ArrayList<>();
        long offset = 0;
        for (GuestMemoryMap.Slot slot : map.slots()) {
            if (slot.backing() == GuestMemoryMap.Backing.RAM) {
                ranges.add(new CoreRange(slot.start(), slot.length(), offset));
                offset += slot.length();
            }
        }
        ranges.addAll(beside(ranges, placed));
        ranges.sort(Comparator.comparingLong(CoreRange::start));
        return ranges;
    }

    private static List<CoreRange> beside(
            List<CoreRange> ram, NavigableMap<Long, MemorySegment> placed) {
        List<CoreRange> ranges = new ArrayList<>();
        for (long gfn : placed.keySet()) {
            long start = gfn * PAGE;
            if (ram.stream().anyMatch(range -> range.has(start))) {
                continue;
            }
            CoreRange last = ranges.isEmpty() ? null : ranges.getLast();
            if (last != null && last.start + last.length == start) {
                ranges.set(
                        ranges.size() - 1, new CoreRange(last.start, last.length + PAGE, NO_RAM));
            } else {
                ranges.add(new CoreRange(start, PAGE, NO_RAM));
            }
        }
        return ranges;
    }

    private boolean has(long address) {
        return address >= start && address - start < length;
    }
}
