package io.xenemu.kvm.libc;

import java.lang.foreign.MemorySegment;

/// Copies at raw addresses of this process. Nothing is checked: the caller's owner of the addresses keeps them mapped.
public final class HostMemory {
    // SAFETY: it is used only below, for addresses in IoVectors, which their owner keeps mapped.
    @SuppressWarnings("restricted")
    private static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

    private HostMemory() {}

    /// Copies from a segment to an address.
    public static void copyTo(long address, MemorySegment source, long offset, long length) {
        MemorySegment.copy(source, offset, ALL, address, length);
    }

    /// Copies from an address to a segment.
    public static void copyFrom(long address, MemorySegment target, long offset, long length) {
        MemorySegment.copy(ALL, address, target, offset, length);
    }

    /// Writes zeroes at an address.
    public static void zero(long address, long length) {
        ALL.asSlice(address, length).fill((byte) 0);
    }
}
