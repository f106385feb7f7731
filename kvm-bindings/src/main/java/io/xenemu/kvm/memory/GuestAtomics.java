package io.xenemu.kvm.memory;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/// Ordered and atomic access to words that the guest's vCPUs may change at the same time. An access outside guest
/// memory, or a write to a read-only region, throws [XenError#EFAULT]. The address must be a multiple of the word's
/// size. Anything else is an `IllegalArgumentException`: the caller has to check addresses that a guest chose.
///
/// Every loop is bounded, whatever the guest does.
public final class GuestAtomics {
    private static final VarHandle BYTE = ValueLayout.JAVA_BYTE.varHandle();
    private static final VarHandle SHORT =
            ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
    private static final VarHandle INT =
            ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
    private static final VarHandle LONG =
            ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

    /// How often an 8- or 16-bit compare-and-set retries because only its neighbours in the 32-bit word changed. A
    /// guest can change them forever; an honest one stops long before.
    static final int NEIGHBOUR_RETRIES = 64;

    private final GuestMemory memory;

    GuestAtomics(GuestMemory memory) {
        this.memory = memory;
    }

    /// 8 bits (0 to 0xff), read before everything that follows.
    public int readAcquire8(long gpa) throws XenError {
        MemoryRegion region = memory.readable(gpa, 1);
        return Byte.toUnsignedInt((byte) BYTE.getAcquire(region.segment, region.offset(gpa)));
    }

    /// 16 bits (0 to 0xffff), read before everything that follows.
    public int readAcquire16(long gpa) throws XenError {
        MemoryRegion region = memory.readable(gpa, 2);
        return Short.toUnsignedInt((short) SHORT.getAcquire(region.segment, region.offset(gpa)));
    }

    /// 32 bits (as an `int`), read before everything that follows.
    public int readAcquire32(long gpa) throws XenError {
        MemoryRegion region = memory.readable(gpa, 4);
        return (int) INT.getAcquire(region.segment, region.offset(gpa));
    }

    /// 64 bits (as a `long`), read before everything that follows.
    public long readAcquire64(long gpa) throws XenError {
        MemoryRegion region = memory.readable(gpa, 8);
        return (long) LONG.getAcquire(region.segment, region.offset(gpa));
    }

    /// Stores the low 8 bits of `value` after everything before it.
    public void writeRelease8(long gpa, int value) throws XenError {
        MemoryRegion region = memory.writable(gpa, 1);
        BYTE.setRelease(region.segment, region.offset(gpa), (byte) value);
        memory.written(region, region.offset(gpa), 1);
    }

    /// Stores the low 16 bits of `value` after everything before it.
    public void writeRelease16(long gpa, int value) throws XenError {
        MemoryRegion region = memory.writable(gpa, 2);
        SHORT.setRelease(region.segment, region.offset(gpa), (short) value);
        memory.written(region, region.offset(gpa), 2);
    }

    /// Stores the low 32 bits of `value` after everything before it.
    public void writeRelease32(long gpa, int value) throws XenError {
        MemoryRegion region = memory.writable(gpa, 4);
        INT.setRelease(region.segment, region.offset(gpa), value);
        memory.written(region, region.offset(gpa), 4);
    }

    /// Stores the low 64 bits of `value` after everything before it.
    public void writeRelease64(long gpa, long value) throws XenError {
        MemoryRegion region = memory.writable(gpa, 8);
        LONG.setRelease(region.segment, region.offset(gpa), value);
        memory.written(region, region.offset(gpa), 8);
    }

    /// Replaces `expected` by `value`; full fence either way. Returns whether it did.
    public boolean compareAndSet32(long gpa, int expected, int value) throws XenError {
        MemoryRegion region = memory.writable(gpa, 4);
        boolean done = INT.compareAndSet(region.segment, region.offset(gpa), expected, value);
        memory.written(region, region.offset(gpa), 4);
        return done;
    }

    /// Replaces `expected` by `value`; full fence either way. Returns whether it did.
    public boolean compareAndSet64(long gpa, long expected, long value) throws XenError {
        MemoryRegion region = memory.writable(gpa, 8);
        boolean done = LONG.compareAndSet(region.segment, region.offset(gpa), expected, value);
        memory.written(region, region.offset(gpa), 8);
        return done;
    }

    /// Like [#compareAndSet32] for the low 8 bits of each value. May also return false if the guest kept changing the
    /// rest of the 32-bit word: callers have a bounded loop of their own.
    public boolean compareAndSet8(long gpa, int expected, int value) throws XenError {
        return compareAndSetPart(gpa, 0xff, expected, value);
    }

    /// Like [#compareAndSet32] for the low 16 bits of each value. May also return false if the guest kept changing
    /// the rest of the 32-bit word: callers have a bounded loop of their own.
    public boolean compareAndSet16(long gpa, int expected, int value) throws XenError {
        return compareAndSetPart(gpa, 0xffff, expected, value);
    }

    /// Sets the bits of `bits`; full fence. Returns the old value.
    public int getAndOr32(long gpa, int bits) throws XenError {
        MemoryRegion region = memory.writable(gpa, 4);
        int old = (int) INT.getAndBitwiseOr(region.segment, region.offset(gpa), bits);
        memory.written(region, region.offset(gpa), 4);
        return old;
    }

    /// Keeps only the bits of `bits`; full fence. Returns the old value.
    public int getAndAnd32(long gpa, int bits) throws XenError {
        MemoryRegion region = memory.writable(gpa, 4);
        int old = (int) INT.getAndBitwiseAnd(region.segment, region.offset(gpa), bits);
        memory.written(region, region.offset(gpa), 4);
        return old;
    }

    /// Sets the bits of `bits`; full fence. Returns the old value.
    public long getAndOr64(long gpa, long bits) throws XenError {
        MemoryRegion region = memory.writable(gpa, 8);
        long old = (long) LONG.getAndBitwiseOr(region.segment, region.offset(gpa), bits);
        memory.written(region, region.offset(gpa), 8);
        return old;
    }

    /// Keeps only the bits of `bits`; full fence. Returns the old value.
    public long getAndAnd64(long gpa, long bits) throws XenError {
        MemoryRegion region = memory.writable(gpa, 8);
        long old = (long) LONG.getAndBitwiseAnd(region.segment, region.offset(gpa), bits);
        memory.written(region, region.offset(gpa), 8);
        return old;
    }

    /// Like [#getAndOr32], 8 bits.
    public int getAndOr8(long gpa, int bits) throws XenError {
        int shift = shift(gpa, 0xff);
        return (getAndOr32(word(gpa), (bits & 0xff) << shift) >>> shift) & 0xff;
    }

    /// Like [#getAndAnd32], 8 bits.
    public int getAndAnd8(long gpa, int bits) throws XenError {
        int shift = shift(gpa, 0xff);
        return (getAndAnd32(word(gpa), ~((~bits & 0xff) << shift)) >>> shift) & 0xff;
    }

    /// Like [#getAndOr32], 16 bits.
    public int getAndOr16(long gpa, int bits) throws XenError {
        int shift = shift(gpa, 0xffff);
        return (getAndOr32(word(gpa), (bits & 0xffff) << shift) >>> shift) & 0xffff;
    }

    /// Like [#getAndAnd32], 16 bits.
    public int getAndAnd16(long gpa, int bits) throws XenError {
        int shift = shift(gpa, 0xffff);
        return (getAndAnd32(word(gpa), ~((~bits & 0xffff) << shift)) >>> shift) & 0xffff;
    }

    // The JDK has no atomic update of bytes and shorts in memory segments; the aligned 32-bit word
    // around them is always in the same region.

    private boolean compareAndSetPart(long gpa, int mask, int expected, int value) throws XenError {
        int shift = shift(gpa, mask);
        MemoryRegion region = memory.writable(word(gpa), 4);
        long offset = region.offset(word(gpa));
        for (int attempt = 0; attempt < NEIGHBOUR_RETRIES; attempt++) {
            int word = (int) INT.getVolatile(region.segment, offset);
            if (((word >>> shift) & mask) != (expected & mask)) {
                return false;
            }
            int changed = (word & ~(mask << shift)) | ((value & mask) << shift);
            if (INT.compareAndSet(region.segment, offset, word, changed)) {
                memory.written(region, offset, 4);
                return true;
            }
        }
        return false;
    }

    private static long word(long gpa) {
        return gpa & ~3L;
    }

    private static int shift(long gpa, int mask) {
        int part = (int) (gpa & 3);
        if (mask == 0xffff && (part & 1) != 0) {
            throw new IllegalArgumentException(
                    "misaligned 16-bit access at 0x" + Long.toHexString(gpa));
        }
        return part * 8;
    }
}
