package io.xenemu.kvm.memory;

import io.xenemu.kvm.abi.XenError;

/// Translates a caller's linear address by reading its page tables, for a supervisor access (hypercalls come from CPL
/// 0). It knows every mode: no paging, 32-bit with 4 MiB pages and PSE-36, PAE, 4 and 5 levels with 2 MiB and 1 GiB
/// pages.
///
/// Throws [XenError#EFAULT] where the processor would raise a page fault: entry not present, write to a read-only page
/// under CR0.WP, reserved bit set, or non-canonical address. A table outside guest memory is EFAULT, too. A result
/// outside guest memory fails when it is used. The user bit, SMAP and protection keys are ignored, as in Xen's copies
/// for guests. Physical-address bits above the CPU's limit are treated like addresses that no region contains.
///
/// Sets accessed and dirty bits as the processor and Xen do, but only if they are clear, so usually nothing is written.
/// If the entry changes at that moment, the bit is left alone. The walk goes on with the entry that it read, which was
/// valid then.
///
/// Sources: Intel SDM volume 3, chapter 5 (paging); AMD APM volume 2, chapter 5. At most five reads, no allocation,
/// no ioctl.
public final class PageWalk implements LinearTranslation {
    private static final long CR0_WP = 1L << 16;
    private static final long CR0_PG = 1L << 31;
    private static final long CR4_PSE = 1L << 4;
    private static final long CR4_PAE = 1L << 5;
    private static final long CR4_LA57 = 1L << 12;
    private static final long EFER_LMA = 1L << 10;
    private static final long EFER_NXE = 1L << 11;

    private static final int PRESENT = 1;
    private static final int WRITABLE = 1 << 1;
    private static final int ACCESSED = 1 << 5;
    private static final int DIRTY = 1 << 6;
    private static final int LARGE = 1 << 7;
    private static final long NO_EXECUTE = 1L << 63;

    /// Bits 12 to 51 of an 8-byte entry.
    private static final long FRAME = 0x000f_ffff_ffff_f000L;

    /// Bits 52 to 62: free for software in long mode, reserved under PAE.
    private static final long PAE_RESERVED = 0x7ff0_0000_0000_0000L;

    /// A PAE page-directory pointer has only P, PWT, PCD and three free bits besides the frame. Bit 5 is accepted:
    /// emulated processors set it as Accessed.
    private static final long PAE_POINTER_RESERVED = 0xfff0_0000_0000_01c6L;

    private static final long LOW_32 = 0xffff_ffffL;
    private static final int TABLE_BITS = 9;
    private static final int PAGE_BITS = 12;
    private static final int LARGEST_PAGE_LEVEL = 3;

    private final GuestAtomics entries;

    /// The answer of [#holdsForWrites].
    private boolean forWrites;

    /// A walk through the tables in `memory`.
    public PageWalk(GuestMemory memory) {
        this.entries = memory.atomics();
    }

    /// The guest-physical address for `linear`; valid for the rest of its 4 KiB page. Outside 64-bit mode only
    /// the low 32 bits of `linear` count.
    @Override
    public long translate(CpuState cpu, long linear, boolean write) throws XenError {
        long address = cpu.longMode() ? linear : linear & LOW_32;
        long cr0 = cpu.cr0();
        if ((cr0 & CR0_PG) == 0) {
            forWrites = true;
            return address & LOW_32;
        }
        boolean protect = (cr0 & CR0_WP) != 0;
        long cr3 = cpu.cr3();
        long cr4 = cpu.cr4();
        if ((cr4 & CR4_PAE) == 0) {
            return legacy(cr3 & 0xffff_f000L, (cr4 & CR4_PSE) != 0, address, write, protect);
        }
        long efer = cpu.efer();
        long reserved = (efer & EFER_NXE) != 0 ? 0 : NO_EXECUTE;
        if ((efer & EFER_LMA) == 0) {
            long table = paeDirectory(cr3 & 0xffff_ffe0L, address);
            return wide(table, 2, reserved | PAE_RESERVED, address, write, protect);
        }
        int levels = (cr4 & CR4_LA57) != 0 ? 5 : 4;
        requireCanonical(address, PAGE_BITS + TABLE_BITS * levels);
        return wide(cr3 & FRAME, levels, reserved, address, write, protect);
    }

    /// Whether the last translation would have been the same for a write, with nothing left to mark in the tables.
    @Override
    public boolean holdsForWrites() {
        return forWrites;
    }

    /// 4-byte entries, two levels of 1024.
    private long legacy(
            long table, boolean largePages, long address, boolean write, boolean protect)
            throws XenError {
        boolean guarded = write && protect;
        long directoryAt = table + (address >>> 22) * 4;
        int directory = entries.readAcquire32(directoryAt);
        require(directory, guarded);
        if (largePages && (directory & LARGE) != 0) {
            if ((directory & (1 << 21)) != 0) {
                throw XenError.EFAULT;
            }
            mark32(directoryAt, directory, write ? ACCESSED | DIRTY : ACCESSED);
            conclude(write, protect, directory, directory);
            long above4GiB = ((directory >>> 13) & 0xffL) << 32;
            return above4GiB | (directory & 0xffc0_0000L) | (address & 0x3f_ffff);
        }
        mark32(directoryAt, directory, ACCESSED);
        long pageAt = (directory & 0xffff_f000L) + ((address >>> PAGE_BITS) & 0x3ff) * 4;
        int page = entries.readAcquire32(pageAt);
        require(page, guarded);
        mark32(pageAt, page, write ? ACCESSED | DIRTY : ACCESSED);
        conclude(write, protect, directory & page, page);
        return (page & 0xffff_f000L) | (address & 0xfff);
    }

    /// The page directory that one of a PAE guest's four pointers names. Pointers carry no access rights.
    private long paeDirectory(long pointers, long address) throws XenError {
        long pointer = entries.readAcquire64(pointers + (address >>> 30) * 8);
        if ((pointer & PRESENT) == 0 || (pointer & PAE_POINTER_RESERVED) != 0) {
            throw XenError.EFAULT;
        }
        return pointer & FRAME;
    }

    /// 8-byte entries, `level` levels of 512; level 1 holds 4 KiB pages, 2 may hold 2 MiB, 3 1 GiB pages.
    private long wide(
            long table, int level, long reserved, long address, boolean write, boolean protect)
            throws XenError {
        boolean guarded = write && protect;
        int rights = -1;
        for (; ; level--) {
            int shift = PAGE_BITS + TABLE_BITS * (level - 1);
            long at = table + ((address >>> shift) & 0x1ff) * 8;
            long entry = entries.readAcquire64(at);
            require((int) entry, guarded);
            rights &= (int) entry;
            if ((entry & reserved) != 0) {
                throw XenError.EFAULT;
            }
            if (level == 1 || (entry & LARGE) != 0) {
                long inPage = (1L << shift) - 1;
                requireFrame(entry, level, inPage);
                mark64(at, entry, write ? ACCESSED | DIRTY : ACCESSED);
                conclude(write, protect, rights, (int) entry);
                return (entry & FRAME & ~inPage) | (address & inPage);
            }
            mark64(at, entry, ACCESSED);
            table = entry & FRAME;
        }
    }

    /// @param rights what is set in all entries of the way
    /// @param page the last of them
    private void conclude(boolean write, boolean protect, int rights, int page) {
        boolean allowed = !protect || (rights & WRITABLE) != 0;
        forWrites = write || (allowed && (page & DIRTY) != 0);
    }

    /// Bits between the PAT bit (12) and a large page's frame are reserved; so is a page above 1 GiB.
    private static void requireFrame(long entry, int level, long inPage) throws XenError {
        if (level > LARGEST_PAGE_LEVEL) {
            throw XenError.EFAULT;
        }
        if (level > 1 && (entry & FRAME & inPage & ~(1L << PAGE_BITS)) != 0) {
            throw XenError.EFAULT;
        }
    }

    private static void require(int entry, boolean guarded) throws XenError {
        int needed = guarded ? PRESENT | WRITABLE : PRESENT;
        if ((entry & needed) != needed) {
            throw XenError.EFAULT;
        }
    }

    private static void requireCanonical(long address, int bits) throws XenError {
        int unused = Long.SIZE - bits;
        if (((address << unused) >> unused) != address) {
            throw XenError.EFAULT;
        }
    }

    private void mark32(long at, int entry, int bits) throws XenError {
        if ((entry & bits) != bits) {
            entries.compareAndSet32(at, entry, entry | bits);
        }
    }

    private void mark64(long at, long entry, int bits) throws XenError {
        if ((entry & bits) != bits) {
            entries.compareAndSet64(at, entry, entry | bits);
        }
    }
}
