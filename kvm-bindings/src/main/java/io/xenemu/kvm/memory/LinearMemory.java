package io.xenemu.kvm.memory;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/// One vCPU's linear address space, as the code that made the hypercall sees it. Addresses are a guest's pointers. In
/// 32-bit mode only their low 32 bits count, and a range wraps at the end of the address space as it does on the
/// processor. Throws [XenError#EFAULT] exactly if a byte cannot be reached.
///
/// Used only by the thread that serves the vCPU's exits. It remembers the last page found until [#forget], which begins
/// each hypercall. So a structure that is copied in and then out takes one walk of the page tables. A processor's TLB
/// does the same: the guest cannot flush the entry before the hypercall ends. The guest may change the bytes at any
/// time: read once, then use the copy. No access locks or issues an ioctl, and only strings and the copy from an array
/// allocate.
public final class LinearMemory {
    private static final int PAGE = GuestMemory.PAGE_SIZE;
    private static final int PAGE_BITS = 12;

    /// A page number that no address has.
    private static final long NO_PAGE = -1;

    private final GuestMemory memory;
    private final CpuState cpu;
    private final LinearTranslation walk;

    /// The linear page found last, its frame, and whether that holds for writes too.
    private long page = NO_PAGE;

    private long frame;
    private boolean forWrites;

    /// Sees every access, or null.
    private @Nullable GuestAccessObserver observer;

    /// The address space of the vCPU whose registers are `cpu`.
    public LinearMemory(GuestMemory memory, CpuState cpu) {
        this(memory, cpu, new PageWalk(memory));
    }

    /// One whose pages are found by `walk`.
    LinearMemory(GuestMemory memory, CpuState cpu, LinearTranslation walk) {
        this.memory = memory;
        this.cpu = cpu;
        this.walk = walk;
    }

    /// Has every access observed from now on, or none.
    ///
    /// @param accesses null for none
    public void observe(@Nullable GuestAccessObserver accesses) {
        observer = accesses;
    }

    /// The guest-physical address for `address`, valid until the end of its 4 KiB page.
    public long translate(long address, boolean write) throws XenError {
        long physical = find(address, write);
        GuestAccessObserver accesses = observer;
        if (accesses != null) {
            accesses.translated(address, physical, write);
        }
        return physical;
    }

    private long find(long address, boolean write) throws XenError {
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
            long physical = find(address + done, false);
            memory.copyIn(physical, target, offset + done, chunk);
            copiedIn(address + done, physical, target, offset + done, chunk);
            done += chunk;
        }
    }

    /// Copies bytes of `source` at `offset` to the guest. On EFAULT nothing is written if the range touches at most two
    /// pages, as every structure does. In a longer range the pages before the unreachable one are written.
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
                copiedOut(to + first, next, source, from + first, second);
            }
            memory.copyOut(source, from, gpa, first);
            copiedOut(to, gpa, source, from, first);
            left -= first + second;
            from += first + second;
            to += first + second;
        }
    }

    /// Copies guest bytes into `target` from index `offset` on. On EFAULT some of the target may have been overwritten.
    public void copyIn(long address, byte[] target, int offset, int length) throws XenError {
        for (int done = 0; done < length; ) {
            int chunk = Math.min(length - done, leftInPage(address + done));
            long physical = find(address + done, false);
            memory.copyIn(physical, target, offset + done, chunk);
            if (observer != null) {
                MemorySegment bytes = MemorySegment.ofArray(target);
                copiedIn(address + done, physical, bytes, offset + done, chunk);
            }
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
            long physical = find(address, false);
            int value = memory.read16(physical);
            read(address, physical, value, 2);
            return value;
        }
        return read8(address) | (read8(address + 1) << 8);
    }

    /// Reads 8 bits, 0 to 0xff.
    public int read8(long address) throws XenError {
        long physical = find(address, false);
        int value = memory.read8(physical);
        read(address, physical, value, 1);
        return value;
    }

    /// Reads 32 bits.
    public int read32(long address) throws XenError {
        if (leftInPage(address) >= 4) {
            long physical = find(address, false);
            int value = memory.read32(physical);
            read(address, physical, value, 4);
            return value;
        }
        return read16(address) | (read16(address + 2) << 16);
    }

    /// Reads 64 bits.
    public long read64(long address) throws XenError {
        if (leftInPage(address) >= 8) {
            long physical = find(address, false);
            long value = memory.read64(physical);
            read(address, physical, value, 8);
            return value;
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
            long physical = find(address, true);
            memory.write32(physical, value);
            written(address, physical, value, 4);
        } else {
            writeBytes(address, value, 4);
        }
    }

    /// Writes 64 bits, all or nothing.
    public void write64(long address, long value) throws XenError {
        if (leftInPage(address) >= 8) {
            long physical = find(address, true);
            memory.write64(physical, value);
            written(address, physical, value, 8);
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
            long physical = i < first ? gpa + i : next + i - first;
            memory.write8(physical, (int) (value >>> (8 * i)));
            written(address + i, physical, value >>> (8 * i), 1);
        }
    }

    private long reachable(long address, int length) throws XenError {
        long gpa = find(address, true);
        memory.check(gpa, length, true);
        return gpa;
    }

    private void copiedIn(long address, long physical, MemorySegment bytes, long at, int length) {
        GuestAccessObserver accesses = observer;
        if (accesses != null) {
            accesses.copiedIn(address, physical, bytes, at, length);
        }
    }

    private void copiedOut(long address, long physical, MemorySegment bytes, long at, int length) {
        GuestAccessObserver accesses = observer;
        if (accesses != null) {
            accesses.copiedOut(address, physical, bytes, at, length);
        }
    }

    private void read(long address, long physical, long value, int size) {
        GuestAccessObserver accesses = observer;
        if (accesses != null) {
            accesses.read(address, physical, value, size);
        }
    }

    private void written(long address, long physical, long value, int size) {
        GuestAccessObserver accesses = observer;
        if (accesses != null) {
            accesses.written(address, physical, value, size);
        }
    }

    private static int leftInPage(long address) {
        return PAGE - (int) (address & (PAGE - 1));
    }
}
