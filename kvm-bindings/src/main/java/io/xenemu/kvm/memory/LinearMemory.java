package io.xenemu.kvm.memory;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/// One vCPU's linear address space, as the code that made the hypercall sees it. Addresses are a guest's pointers; in
/// 32-bit mode only their low 32 bits count, and a range wraps at the end of the address space as it does on the
/// processor. Throws [XenError#EFAULT] exactly if a byte cannot be reached.
///
/// Used only by the thread that serves the vCPU's exits. It remembers the last page found until [#forget], which begins
/// each hypercall, so that a structure that is copied in and then out takes one walk of the page tables. A processor's
/// TLB does the same: the guest cannot flush the entry before the hypercall ends. The guest may change the bytes at any
/// time: read once, then use the copy. No access locks or issues an ioctl, and only strings and the copy from an array
/// allocate.
public final class LinearMemory {
    private static final int PAGE = GuestMemory.PAGE_SIZE;
    private static final int PAGE_BITS = 12;

    /// A page number that no address has.
    private static final long NO_PAGE = -1;

    private final GuestMemory memory;
    private final CpuState cpu;
    private final PageWalk walk;

    /// The linear page found last, its frame, and whether that holds for writes too.
    private long page = NO_PAGE;

    private long frame;
    private boolean forWrites;

    /// The address space of the vCPU whose registers are `cpu`.
    public LinearMemory(GuestMemory memory, CpuState cpu) {
        this.memory = memory;
        this.cpu = cpu;
        this.walk = new PageWalk(memory);
    }

    /// The guest-physical address for `address`, valid until the end of its 4 KiB page.
    public long translate(long address, boolean write) throws XenError {
        long number = address >>> PAGE_BITS;
        if (number != page || (write && !forWrites)) {
            frame = walk.translate(cpu, address, write) & -PAGE;
            page = number;
            forWrites = walk.holdsForWrites();
        }
        return frame | (address & (PAGE - 1));
    }

    /// Forgets the page found last: the next access walks the page tables.
    public void forget() {
        page = NO_PAGE;
    }

    /// Copies guest bytes to `target` at `offset`. On EFAULT some of the target may have been overwritten.
    public void copyIn(long address, MemorySegment target, long offset, int length)
            throws XenError {
        for (int done = 0; done < length; ) {
            int chunk = Math.min(length - done, leftInPage(address + done));
            memory.copyIn(translate(address + done, false), target, offset + done, chunk);
            done += chunk;
        }
    }

    /// Copies bytes of `source` at `offset` to the guest. If the range touches at most two pages, as every structure
    /// does, nothing is written on EFAULT; if it is longer, the pages before the unreachable one are written.
    public void copyOut(MemorySegment source, long offset, long address, int length)
            throws XenError {
        int left = length;
        long from = offset;
        long to = address;
        while (left > 0) {
            int first = Math.min(left, leftInPage(to));
            int second = Math.min(left - first, PAGE);
            long gpa = reachable(to, first);
            if (second > 0) {
                long next = reachable(to + first, second);
                memory.copyOut(source, from + first, next, second);
            }
            memory.copyOut(source, from, gpa, first);
            left -= first + second;
            from += first + second;
            to += first + second;
        }
    }

    /// Copies guest bytes into `target` from index `offset` on. On EFAULT some of the target may have been overwritten.
    public void copyIn(long address, byte[] target, int offset, int length) throws XenError {
        for (int done = 0; done < length; ) {
            int chunk = Math.min(length - done, leftInPage(address + done));
            memory.copyIn(translate(address + done, false), target, offset + done, chunk);
            done += chunk;
        }
    }

    /// Copies bytes of an array to the guest; partial writes as for segments.
    public void copyOut(byte[] source, int offset, long address, int length) throws XenError {
        MemorySegment bytes = MemorySegment.ofArray(source);
        copyOut(bytes, offset, address, length);
    }

    /// Reads 16 bits, 0 to 0xffff.
    public int read16(long address) throws XenError {
        if (leftInPage(address) >= 2) {
            return memory.read16(translate(address, false));
        }
        return read8(address) | (read8(address + 1) << 8);
    }

    /// Reads 8 bits, 0 to 0xff.
    public int read8(long address) throws XenError {
        return memory.read8(translate(address, false));
    }

    /// Reads 32 bits.
    public int read32(long address) throws XenError {
        if (leftInPage(address) >= 4) {
            return memory.read32(translate(address, false));
        }
        return read16(address) | (read16(address + 2) << 16);
    }

    /// Reads 64 bits.
    public long read64(long address) throws XenError {
        if (leftInPage(address) >= 8) {
            return memory.read64(translate(address, false));
        }
        return Integer.toUnsignedLong(read32(address)) | ((long) read32(address + 4) << 32);
    }

    /// Reads an `unsigned long` of the caller's width, zero-extended.
    public long readUlong(long address) throws XenError {
        return cpu.longMode() ? read64(address) : Integer.toUnsignedLong(read32(address));
    }

    /// Writes the low 32 bits of `value`, all or nothing.
    public void write32(long address, int value) throws XenError {
        if (leftInPage(address) >= 4) {
            memory.write32(translate(address, true), value);
        } else {
            writeBytes(address, value, 4);
        }
    }

    /// Writes 64 bits, all or nothing.
    public void write64(long address, long value) throws XenError {
        if (leftInPage(address) >= 8) {
            memory.write64(translate(address, true), value);
        } else {
            writeBytes(address, value, 8);
        }
    }

    /// Writes an `unsigned long` of the caller's width (the low 32 bits in 32-bit mode), all or nothing.
    public void writeUlong(long address, long value) throws XenError {
        if (cpu.longMode()) {
            write64(address, value);
        } else {
            write32(address, (int) value);
        }
    }

    /// The bytes before the first NUL, as ISO 8859-1 (one character per byte). Bytes after the NUL need not be
    /// reachable.
    ///
    /// @param maxLength the most characters accepted, without the NUL
    /// @throws XenError E2BIG when there is no NUL after `maxLength` characters
    public String readString(long address, int maxLength) throws XenError {
        byte[] bytes = new byte[maxLength];
        for (int length = 0; length <= maxLength; length++) {
            int next = read8(address + length);
            if (next == 0) {
                return new String(bytes, 0, length, StandardCharsets.ISO_8859_1);
            }
            if (length < maxLength) {
                bytes[length] = (byte) next;
            }
        }
        throw XenError.E2BIG;
    }

    private void writeBytes(long address, long value, int length) throws XenError {
        int first = leftInPage(address);
        long gpa = reachable(address, first);
        long next = reachable(address + first, length - first);
        for (int i = 0; i < length; i++) {
            memory.write8(i < first ? gpa + i : next + i - first, (int) (value >>> (8 * i)));
        }
    }

    private long reachable(long address, int length) throws XenError {
        long gpa = translate(address, true);
        memory.check(gpa, length, true);
        return gpa;
    }

    private static int leftInPage(long address) {
        return PAGE - (int) (address & (PAGE - 1));
    }
}
