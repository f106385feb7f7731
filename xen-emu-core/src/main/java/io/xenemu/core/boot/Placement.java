package io.xenemu.core.boot;

import java.util.ArrayList;
import java.util.List;

/// Allocates the RAM below 4 GiB while a guest is built, so that nothing overlaps.
final class Placement {
    /// The lowest address to allocate: below are real-mode memory, boot structures and the BIOS area.
    static final long LOWEST = 1L << 20;

    private final GuestMemoryMap map;
    private final List<Range> taken = new ArrayList<>();

    Placement(GuestMemoryMap map) {
        this.map = map;
    }

    /// Takes a fixed range; false if it is not all RAM, or partly taken. An empty range is always free.
    boolean take(long start, long length) {
        if (length == 0) {
            return true;
        }
        if (!map.isRam(start, length) || start + length > map.lowRamEnd()) {
            return false;
        }
        if (taken.stream().anyMatch(range -> range.overlaps(start, length))) {
            return false;
        }
        taken.add(new Range(start, length));
        return true;
    }

    /// Takes the lowest free whole pages, or returns -1.
    long takeLowest(long length) {
        long size = pageUp(length);
        long start = LOWEST;
        for (boolean moved = true; moved; ) {
            moved = false;
            for (Range range : taken) {
                if (range.overlaps(start, size)) {
                    start = pageUp(range.end());
                    moved = true;
                }
            }
        }
        return take(start, size) ? start : -1;
    }

    /// Takes the highest free whole pages that end at or below `limit`, or returns -1.
    long takeHighest(long limit, long length) {
        long size = pageUp(length);
        long start = pageDown(Math.min(limit, map.lowRamEnd())) - size;
        for (boolean moved = true; moved; ) {
            moved = false;
            for (Range range : taken) {
                if (range.overlaps(start, size)) {
                    start = pageDown(range.start) - size;
                    moved = true;
                }
            }
        }
        return start >= LOWEST && take(start, size) ? start : -1;
    }

    static long pageUp(long address) {
        return pageDown(address + GuestMemoryMap.PAGE_SIZE - 1);
    }

    private static long pageDown(long address) {
        return address & -GuestMemoryMap.PAGE_SIZE;
    }

    private record Range(long start, long length) {
        long end() {
            return start + length;
        }

        boolean overlaps(long otherStart, long otherLength) {
            return start < otherStart + otherLength && otherStart < end();
        }
    }
}
