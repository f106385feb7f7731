package io.xenemu.kvm.libc;

import io.xenemu.kvm.abi.KvmException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Shared file mappings that live as long as an arena.
public final class Mapping {
    /// Bytes of the smallest page on x86-64.
    public static final long PAGE_SIZE = 4096;

    private static final int PROT_READ = 1;
    private static final int PROT_READ_WRITE = PROT_READ | 2;
    private static final int MAP_SHARED = 1;
    private static final int MAP_FIXED = 0x10;

    private Mapping() {}

    /// Maps a range of a file; the kernel chooses the address. Closing the arena unmaps it.
    ///
    /// @param offset in the file, a multiple of the page size
    /// @param length bytes
    /// @param readOnly whether writes fail, also the guest's
    /// @param what names the mapping in a failure's message
    @SuppressWarnings("restricted")
    public static MemorySegment map(
            Arena arena, int fd, long offset, long length, boolean readOnly, String what) {
        long address = Libc.mmap(0, length, protection(readOnly), MAP_SHARED, fd, offset);
        if (address < 0) {
            throw new KvmException("mmap", (int) -address, what);
        }
        // SAFETY: the kernel has just reserved exactly these bytes for us; the arena's scope
        // forbids access after munmap.
        MemorySegment mapping =
                MemorySegment.ofAddress(address)
                        .reinterpret(length, arena, m -> Libc.munmap(m.address(), m.byteSize()));
        return readOnly ? mapping.asReadOnly() : mapping;
    }

    private static int protection(boolean readOnly) {
        return readOnly ? PROT_READ : PROT_READ_WRITE;
    }

    /// Replaces the pages under `over` by a range of a file, at the same address: every user of the address sees the
    /// new pages.
    ///
    /// @param over a page-aligned part of a mapping made by [#map]
    /// @param readOnly whether writes fail: those of this process by SIGSEGV
    /// @param readOnly whether writes are to fail: those of this process by SIGSEGV
    public static void mapFixed(
            MemorySegment over, int fd, long offset, boolean readOnly, String what) {
        // SAFETY: `over` is native and alive, so this replaces only pages that are already mapped
        // on our behalf.
        long address =
                Libc.mmap(
                        over.address(),
                        over.byteSize(),
                        protection(readOnly),
                        MAP_SHARED | MAP_FIXED,
                        fd,
                        offset);
        if (address < 0) {
            throw new KvmException("mmap", (int) -address, what);
        }
    }
}
