package io.xenemu.kvm.memory;

import org.jspecify.annotations.Nullable;

/// An immutable, sorted set of regions. Its one mutable field is a hint that belongs to this set, so it never leads a
/// thread to a region that the set no longer has.
final class MemoryRegions {
    /// KVM's limit of memory slots on x86 (`KVM_USER_MEM_SLOTS`): each region needs one.
    static final int MAX_REGIONS = 32_764;

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

    /// Whether every byte exists, possibly in several regions, and is writable if `write`.
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
        if (sorted.length == MAX_REGIONS) {
            throw new IllegalArgumentException("more than " + MAX_REGIONS + " regions");
        }
        int at = indexFrom(added.gpa);
        requireApart(added, at - 1);
        requireApart(added, at);
        MemoryRegion[] more = new MemoryRegion[sorted.length + 1];
        System.arraycopy(sorted, 0, more, 0, at);
        more[at] = added;
        System.arraycopy(sorted, at, more, at + 1, sorted.length - at);
        return new MemoryRegions(more);
    }

    private void requireApart(MemoryRegion added, int index) {
        if (index < 0 || index == sorted.length) {
            return;
        }
        MemoryRegion region = sorted[index];
        if (added.gpa < region.end() && region.gpa < added.end()) {
            throw new IllegalArgumentException(
                    "0x%x overlaps the region at 0x%x".formatted(added.gpa, region.gpa));
        }
    }

    /// The index of the first region that begins at or above `gpa`.
    private int indexFrom(long gpa) {
        int low = 0;
        int high = sorted.length;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (sorted[middle].gpa < gpa) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }

    MemoryRegions without(long gpa) {
        int at = indexFrom(gpa);
        if (at == sorted.length || sorted[at].gpa != gpa) {
            throw new IllegalArgumentException("no region at 0x%x".formatted(gpa));
        }
        MemoryRegion[] fewer = new MemoryRegion[sorted.length - 1];
        System.arraycopy(sorted, 0, fewer, 0, at);
        System.arraycopy(sorted, at + 1, fewer, at, fewer.length - at);
        return new MemoryRegions(fewer);
    }
}
