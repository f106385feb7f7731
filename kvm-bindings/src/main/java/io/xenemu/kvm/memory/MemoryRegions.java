package io.xenemu.kvm.memory;

import java.util.Arrays;
import java.util.Comparator;
import org.jspecify.annotations.Nullable;

/// An immutable, sorted set of regions. The one mutable field is a hint that belongs to this set alone, so a thread can
/// never be misled to a region that the set no longer has.
final class MemoryRegions {
    /// RAM below and above 4 GiB, special windows, and room. KVM itself would allow 32764 memory slots.
    static final int MAX_REGIONS = 256;

    static final MemoryRegions NONE = new MemoryRegions(new MemoryRegion[0]);

    private final MemoryRegion[] sorted;
    private @Nullable MemoryRegion last;

    private MemoryRegions(MemoryRegion[] sorted) {
        this.sorted = sorted;
    }

    /// The region that holds the whole range, or null. `length` is not negative.
    @Nullable MemoryRegion find(long gpa, long length) {
        MemoryRegion hint = last;
        if (hint != null && hint.holds(gpa, length)) {
            return hint;
        }
        return search(gpa, length);
    }

    private @Nullable MemoryRegion search(long gpa, long length) {
        int low = 0;
        int high = sorted.length - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            MemoryRegion region = sorted[middle];
            if (gpa < region.gpa) {
                high = middle - 1;
            } else if (gpa >= region.end()) {
                low = middle + 1;
            } else if (region.holds(gpa, length)) {
                last = region;
                return region;
            } else {
                return null;
            }
        }
        return null;
    }

    /// Whether every byte exists, over several regions if need be, and is writable if `write`.
    boolean covers(long gpa, long length, boolean write) {
        if (length < 0) {
            throw new IllegalArgumentException("negative length " + length);
        }
        MemoryRegion whole = find(gpa, length);
        if (whole != null) {
            return length == 0 || !write || !whole.readOnly;
        }
        long at = gpa;
        long left = length;
        while (left > 0) {
            MemoryRegion region = find(at, 1);
            if (region == null || (write && region.readOnly)) {
                return false;
            }
            long chunk = Math.min(left, region.end() - at);
            at += chunk;
            left -= chunk;
        }
        return true;
    }

    MemoryRegions with(MemoryRegion added) {
        for (MemoryRegion region : sorted) {
            if (added.gpa < region.end() && region.gpa < added.end()) {
                throw new IllegalArgumentException(
                        "0x%x overlaps the region at 0x%x".formatted(added.gpa, region.gpa));
            }
        }
        if (sorted.length == MAX_REGIONS) {
            throw new IllegalArgumentException("more than " + MAX_REGIONS + " regions");
        }
        MemoryRegion[] more = Arrays.copyOf(sorted, sorted.length + 1);
        more[sorted.length] = added;
        Arrays.sort(more, Comparator.comparingLong(region -> region.gpa));
        return new MemoryRegions(more);
    }

    MemoryRegions without(long gpa) {
        MemoryRegion[] fewer =
                Arrays.stream(sorted)
                        .filter(region -> region.gpa != gpa)
                        .toArray(MemoryRegion[]::new);
        if (fewer.length == sorted.length) {
            throw new IllegalArgumentException("no region at 0x%x".formatted(gpa));
        }
        return new MemoryRegions(fewer);
    }
}
