package io.xenemu.kvm.memory;

import java.lang.foreign.MemorySegment;

/// Host memory that the guest sees at one guest-physical range. Since both sides have page granularity, a naturally
/// aligned guest address is an aligned host address, inside one region.
final class MemoryRegion {
    /// The architectural limit of a physical address (52 bits).
    private static final long GPA_LIMIT = 1L << 52;

    final long gpa;
    final long size;
    final boolean readOnly;
    final MemorySegment segment;

    MemoryRegion(long gpa, MemorySegment segment) {
        long size = segment.byteSize();
        if (!segment.isNative()
                || ((gpa | size | segment.address()) & (GuestMemory.PAGE_SIZE - 1)) != 0) {
            throw new IllegalArgumentException("not whole native pages: " + segment);
        }
        if (size == 0 || gpa < 0 || gpa > GPA_LIMIT - size) {
            throw new IllegalArgumentException(
                    "no guest-physical range: 0x%x + 0x%x".formatted(gpa, size));
        }
        this.gpa = gpa;
        this.size = size;
        this.segment = segment;
        this.readOnly = segment.isReadOnly();
    }

    /// Whether the whole range lies in this region. Any arguments are safe: `at - gpa` of an absurd address wraps to
    /// a value that is negative or above every size.
    boolean holds(long at, long length) {
        long offset = at - gpa;
        return offset >= 0 && length <= size && offset <= size - length;
    }

    long offset(long at) {
        return at - gpa;
    }

    long end() {
        return gpa + size;
    }
}
