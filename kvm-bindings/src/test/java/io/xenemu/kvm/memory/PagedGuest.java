package io.xenemu.kvm.memory;

import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;

/// A guest of either width whose virtual pages are mapped one by one. Page tables are in one region; virtual page `n`
/// from [#BASE] on, once mapped, is a region of its own, and neighbours are far apart.
final class PagedGuest implements AutoCloseable {
    /// The first virtual address, below 4 GiB and on a page-table boundary.
    static final long BASE = 0xc000_0000L;

    private static final int RIGHTS = 0x63;
    private static final long LEAF = 0x4000;

    final GuestMemory memory = new GuestMemory();
    final Registers cpu;
    final Arena arena = Arena.ofConfined();
    final GuestArgument argument;

    PagedGuest(GuestWidth width) throws XenError {
        memory.add(0, arena.allocate(0x8000, 4096));
        if (width == GuestWidth.BITS_64) {
            cpu = Registers.fourLevel(0x1000);
            memory.write64(0x1000, 0x2000 | RIGHTS);
            memory.write64(0x2000 + 8 * 3, 0x3000 | RIGHTS);
            memory.write64(0x3000, LEAF | RIGHTS);
        } else {
            cpu = Registers.legacy(0x1000);
            memory.write32(0x1000 + 4 * 0x300, (int) LEAF | RIGHTS);
        }
        argument = new GuestArgument(memory, cpu, arena);
    }

    static long gpa(int page) {
        return 0x100_0000L - page * 0x2000L;
    }

    /// Backs virtual page `page` with memory.
    void map(int page, boolean writable) throws XenError {
        if (!memory.contains(gpa(page), 4096)) {
            memory.add(gpa(page), arena.allocate(4096, 4096));
        }
        int flags = writable ? RIGHTS : RIGHTS & ~2;
        if (cpu.longMode()) {
            memory.write64(LEAF + 8L * page, gpa(page) | flags);
        } else {
            memory.write32(LEAF + 4L * page, (int) gpa(page) | flags);
        }
    }

    void unmap(int page) throws XenError {
        if (cpu.longMode()) {
            memory.write64(LEAF + 8L * page, 0);
        } else {
            memory.write32(LEAF + 4L * page, 0);
        }
    }

    /// The byte that the guest sees at `address`, found without a page walk.
    int byteAt(long address) throws XenError {
        long offset = address - BASE;
        return memory.read8(gpa(Math.toIntExact(offset >> 12)) + (offset & 0xfff));
    }

    void putByte(long address, int value) throws XenError {
        long offset = address - BASE;
        memory.write8(gpa(Math.toIntExact(offset >> 12)) + (offset & 0xfff), value);
    }

    @Override
    public void close() {
        arena.close();
    }
}
