package io.xenemu.kvm.memory;

import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/// One domain's guest-physical address space: a few regions of host memory, each at a guest-physical address (GPA).
/// Addresses are in bytes; everything is little-endian; an access outside the regions throws [XenError#EFAULT].
///
/// Any thread may use it. vCPUs run meanwhile and write to the same bytes, on purpose if they are hostile: **never
/// read a value again after checking it**. Copy once, then use the copy. Plain reads and writes may tear and need no
/// alignment; access ring indices, event-channel words and grant entries through [#atomics()].
///
/// No access allocates, locks or calls the kernel, except that [#segment] and [#fill] allocate a view. Accesses to
/// pages under a MAP_FIXED overlay see what the guest sees.
public final class GuestMemory {
    private static final ValueLayout.OfShort PLAIN_16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt PLAIN_32 =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong PLAIN_64 =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// The granularity of regions and of page tables, in bytes.
    public static final int PAGE_SIZE = 4096;

    private final GuestAtomics atomics;
    private final Object changes = new Object();
    private volatile MemoryRegions regions = MemoryRegions.NONE;
    private volatile @Nullable MissingPages missing;
    private volatile @Nullable WriteLog log;

    /// An empty address space.
    public GuestMemory() {
        this.atomics = new GuestAtomics(this);
    }

    /// Maps `segment` at `gpa`. Both addresses and the size are multiples of the page size. The segment is native and
    /// stays open until after [#remove], and until no vCPU of the domain is being served. Every write to a read-only
    /// segment is EFAULT.
    ///
    /// @throws IllegalArgumentException for misaligned or overlapping regions, or too many
    public void add(long gpa, MemorySegment segment) {
        synchronized (changes) {
            regions = regions.with(new MemoryRegion(gpa, segment));
        }
    }

    /// Removes the region that was added at `gpa`. Accesses that began before may still reach its memory.
    ///
    /// @throws IllegalArgumentException when no region begins there
    public void remove(long gpa) {
        synchronized (changes) {
            regions = regions.without(gpa);
        }
    }

    /// Makes each access wait for its pages first, or ends that.
    ///
    /// @param pages the memory's pages that are not there yet; null for none
    public void awaits(@Nullable MissingPages pages) {
        missing = pages;
    }

    /// Tells a log of each write from now on, except those to [#segment]. A write of which it is not told any more is
    /// in memory when this returns.
    ///
    /// @param writes null for none
    /// @throws KvmException if the host has no membarrier(2)
    public void logTo(@Nullable WriteLog writes) {
        log = writes;
        if (writes != null) {
            MemoryBarrier.ofAllThreads();
        }
    }

    /// Tells the log of a write to a region. A write that is told before it happens could be missed.
    void written(MemoryRegion region, long offset, long length) {
        MemoryBarrier.afterWrite();
        WriteLog writes = log;
        if (writes != null) {
            writes.written(region.segment.address() + offset, length);
        }
    }

    /// The region of a range whose bytes are about to be used, or null. Its pages are there.
    private @Nullable MemoryRegion find(long gpa, long length) {
        MemoryRegion region = regions.find(gpa, length);
        if (region != null) {
            await(region, region.offset(gpa), length);
        }
        return region;
    }

    private void await(MemoryRegion region, long offset, long length) {
        MissingPages late = missing;
        if (late != null) {
            late.await(region.segment.address() + offset, length);
        }
    }

    /// Whether every byte of the range exists.
    public boolean contains(long gpa, long length) {
        return regions.covers(gpa, length, false);
    }

    /// Throws EFAULT unless every byte of the range exists and, for `write`, is writable.
    public void check(long gpa, long length, boolean write) throws XenError {
        if (!regions.covers(gpa, length, write)) {
            throw XenError.EFAULT;
        }
    }

    /// The range as host memory, for users that keep an address for long, such as a registered vcpu_info. It must lie
    /// in one region, else EFAULT. Allocates; valid until that region is removed.
    public MemorySegment segment(long gpa, long length) throws XenError {
        MemoryRegion region = readable(gpa, length);
        return region.segment.asSlice(region.offset(gpa), length);
    }

    /// One byte, 0 to 0xff.
    public int read8(long gpa) throws XenError {
        MemoryRegion region = readable(gpa, 1);
        return Byte.toUnsignedInt(region.segment.get(ValueLayout.JAVA_BYTE, region.offset(gpa)));
    }

    /// 16 bits, 0 to 0xffff.
    public int read16(long gpa) throws XenError {
        MemoryRegion region = find(gpa, 2);
        if (region == null) {
            return read8(gpa) | (read8(gpa + 1) << 8);
        }
        return Short.toUnsignedInt(region.segment.get(PLAIN_16, region.offset(gpa)));
    }

    /// 32 bits as an `int`: unsigned for the guest.
    public int read32(long gpa) throws XenError {
        MemoryRegion region = find(gpa, 4);
        if (region == null) {
            return read16(gpa) | (read16(gpa + 2) << 16);
        }
        return region.segment.get(PLAIN_32, region.offset(gpa));
    }

    /// 64 bits as a `long`: unsigned for the guest.
    public long read64(long gpa) throws XenError {
        MemoryRegion region = find(gpa, 8);
        if (region == null) {
            return Integer.toUnsignedLong(read32(gpa)) | ((long) read32(gpa + 4) << 32);
        }
        return region.segment.get(PLAIN_64, region.offset(gpa));
    }

    /// Stores the low 8 bits of `value`.
    public void write8(long gpa, int value) throws XenError {
        MemoryRegion region = writable(gpa, 1);
        region.segment.set(ValueLayout.JAVA_BYTE, region.offset(gpa), (byte) value);
        written(region, region.offset(gpa), 1);
    }

    /// Stores the low 16 bits of `value`.
    public void write16(long gpa, int value) throws XenError {
        MemoryRegion region = find(gpa, 2);
        if (region == null || region.readOnly) {
            check(gpa, 2, true);
            write8(gpa, value);
            write8(gpa + 1, value >> 8);
        } else {
            region.segment.set(PLAIN_16, region.offset(gpa), (short) value);
            written(region, region.offset(gpa), 2);
        }
    }

    /// Stores 32 bits.
    public void write32(long gpa, int value) throws XenError {
        MemoryRegion region = find(gpa, 4);
        if (region == null || region.readOnly) {
            check(gpa, 4, true);
            write16(gpa, value);
            write16(gpa + 2, value >> 16);
        } else {
            region.segment.set(PLAIN_32, region.offset(gpa), value);
            written(region, region.offset(gpa), 4);
        }
    }

    /// Stores 64 bits.
    public void write64(long gpa, long value) throws XenError {
        MemoryRegion region = find(gpa, 8);
        if (region == null || region.readOnly) {
            check(gpa, 8, true);
            write32(gpa, (int) value);
            write32(gpa + 4, (int) (value >> 32));
        } else {
            region.segment.set(PLAIN_64, region.offset(gpa), value);
            written(region, region.offset(gpa), 8);
        }
    }

    /// Copies `length` bytes from guest memory at `gpa` to `target` at `offset`. All or nothing.
    public void copyIn(long gpa, MemorySegment target, long offset, long length) throws XenError {
        MemoryRegion whole = find(gpa, length);
        if (whole != null) {
            MemorySegment.copy(whole.segment, whole.offset(gpa), target, offset, length);
            return;
        }
        check(gpa, length, false);
        for (long done = 0; done < length; ) {
            MemoryRegion region = readable(gpa + done, 1);
            long from = region.offset(gpa + done);
            long chunk = Math.min(length - done, region.size - from);
            await(region, from, chunk);
            MemorySegment.copy(region.segment, from, target, offset + done, chunk);
            done += chunk;
        }
    }

    /// Copies `length` bytes from `source` at `offset` to guest memory at `gpa`. All or nothing.
    public void copyOut(MemorySegment source, long offset, long gpa, long length) throws XenError {
        MemoryRegion whole = find(gpa, length);
        if (whole != null && !whole.readOnly) {
            MemorySegment.copy(source, offset, whole.segment, whole.offset(gpa), length);
            if (length > 0) {
                written(whole, whole.offset(gpa), length);
            }
            return;
        }
        check(gpa, length, true);
        for (long done = 0; done < length; ) {
            MemoryRegion region = writable(gpa + done, 1);
            long to = region.offset(gpa + done);
            long chunk = Math.min(length - done, region.size - to);
            await(region, to, chunk);
            MemorySegment.copy(source, offset + done, region.segment, to, chunk);
            written(region, to, chunk);
            done += chunk;
        }
    }

    /// Copies guest memory at `gpa` into `length` bytes of `target` from index `offset` on. All or nothing.
    public void copyIn(long gpa, byte[] target, int offset, int length) throws XenError {
        check(gpa, length, false);
        for (int done = 0; done < length; ) {
            MemoryRegion region = readable(gpa + done, 1);
            long from = region.offset(gpa + done);
            int chunk = (int) Math.min(length - done, region.size - from);
            await(region, from, chunk);
            MemorySegment.copy(
                    region.segment, ValueLayout.JAVA_BYTE, from, target, offset + done, chunk);
            done += chunk;
        }
    }

    /// Copies `length` bytes of `source` from index `offset` on to guest memory at `gpa`. All or nothing.
    public void copyOut(byte[] source, int offset, long gpa, int length) throws XenError {
        check(gpa, length, true);
        for (int done = 0; done < length; ) {
            MemoryRegion region = writable(gpa + done, 1);
            long to = region.offset(gpa + done);
            int chunk = (int) Math.min(length - done, region.size - to);
            await(region, to, chunk);
            MemorySegment.copy(
                    source, offset + done, region.segment, ValueLayout.JAVA_BYTE, to, chunk);
            written(region, to, chunk);
            done += chunk;
        }
    }

    /// Sets every byte of the range to `value`. All or nothing.
    public void fill(long gpa, long length, byte value) throws XenError {
        check(gpa, length, true);
        for (long done = 0; done < length; ) {
            MemoryRegion region = writable(gpa + done, 1);
            long to = region.offset(gpa + done);
            long chunk = Math.min(length - done, region.size - to);
            await(region, to, chunk);
            region.segment.asSlice(to, chunk).fill(value);
            written(region, to, chunk);
            done += chunk;
        }
    }

    /// Ordered and atomic access to the same bytes.
    public GuestAtomics atomics() {
        return atomics;
    }

    MemoryRegion readable(long gpa, long length) throws XenError {
        MemoryRegion region = find(gpa, length);
        if (region == null) {
            throw XenError.EFAULT;
        }
        return region;
    }

    MemoryRegion writable(long gpa, long length) throws XenError {
        MemoryRegion region = find(gpa, length);
        if (region == null || region.readOnly) {
            throw XenError.EFAULT;
        }
        return region;
    }
}
