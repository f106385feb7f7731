package io.xenemu.core.boot;

import io.xenemu.kvm.ioctl.Segment;

/// The registers with which vCPU 0 starts. Registers not named here have their values after reset, except that the
/// IDT and LDT are unusable, DR6 is 0xffff0ff0 and DR7 is 0x400.
///
/// @param rip first instruction
/// @param rbx for PVH the address of `struct hvm_start_info`, else 0
/// @param rsi for Linux's boot protocol the address of `struct boot_params`, else 0
/// @param cr0 control register 0
/// @param cr3 control register 3
/// @param cr4 control register 4
/// @param efer the EFER MSR
/// @param gdt base of the GDT
/// @param gdtLimit the GDT's size in bytes less 1
/// @param cs code segment
/// @param data all of DS, ES and SS; FS and GS too
/// @param tr task register
public record CpuEntry(
        long rip,
        long rbx,
        long rsi,
        long cr0,
        long cr3,
        long cr4,
        long efer,
        long gdt,
        int gdtLimit,
        Segment cs,
        Segment data,
        Segment tr) {
    /// RFLAGS of every entry: interrupts disabled, and the bit that is always set.
    public static final long RFLAGS = 2;

    private static final long CR0_PE = 1;
    private static final long CR0_ET = 1 << 4;
    private static final long CR0_NE = 1 << 5;
    private static final long CR0_PG = 1L << 31;
    private static final long CR4_PAE = 1 << 5;
    private static final long EFER_LME = 1 << 8;
    private static final long EFER_LMA = 1 << 10;
    private static final int TYPE_CODE = 11;
    private static final int TYPE_DATA = 3;
    private static final int TYPE_TSS = 11;

    /// PVH: 32-bit protected mode without paging, flat segments (Xen docs/misc/pvh.pandoc).
    static CpuEntry pvh(long entry, long startInfo) {
        return new CpuEntry(
                entry,
                startInfo,
                0,
                CR0_PE | CR0_ET,
                0,
                0,
                0,
                0,
                0,
                segment(0, 0xffff_ffff, TYPE_CODE, true, false, true, true),
                segment(0, 0xffff_ffff, TYPE_DATA, true, false, true, true),
                segment(0, 0x67, TYPE_TSS, false, false, false, false));
    }

    /// Linux's 32-bit boot protocol: 32-bit protected mode without paging, flat segments, selectors 0x10 and 0x18;
    /// EBX, EBP and EDI are 0 (Linux Documentation/arch/x86/boot.rst).
    static CpuEntry linux32(long entry, long bootParams, long gdt, int gdtLimit) {
        return new CpuEntry(
                entry,
                0,
                bootParams,
                CR0_PE | CR0_ET,
                0,
                0,
                0,
                gdt,
                gdtLimit,
                segment(0x10, 0xffff_ffff, TYPE_CODE, true, false, true, true),
                segment(0x18, 0xffff_ffff, TYPE_DATA, true, false, true, true),
                segment(0, 0xffff, TYPE_TSS, false, false, false, false));
    }

    /// Linux's 64-bit boot protocol: long mode, identity-mapped, selectors 0x10 and 0x18
    /// (Linux Documentation/arch/x86/boot.rst).
    static CpuEntry linux64(long entry, long bootParams, long pageTable, long gdt, int gdtLimit) {
        return new CpuEntry(
                entry,
                0,
                bootParams,
                CR0_PG | CR0_NE | CR0_ET | CR0_PE,
                pageTable,
                CR4_PAE,
                EFER_LME | EFER_LMA,
                gdt,
                gdtLimit,
                segment(0x10, 0xffff_ffff, TYPE_CODE, true, true, false, true),
                segment(0x18, 0xffff_ffff, TYPE_DATA, true, false, true, true),
                segment(0, 0xffff, TYPE_TSS, false, false, false, false));
    }

    /// Base 0, present, privilege level 0.
    private static Segment segment(
            int selector, int limit, int type, boolean s, boolean l, boolean db, boolean g) {
        return new Segment(0, limit, selector, type, true, 0, db, s, l, g, false);
    }
}
