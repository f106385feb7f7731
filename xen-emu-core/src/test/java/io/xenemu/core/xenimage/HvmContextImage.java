package io.xenemu.core.xenimage;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;

/// Writes an HVM context from Xen's `public/arch-x86/hvm/save.h` alone. Members are at the places of its structures.
@SuppressWarnings("ByteBufferBackingArray") // of buffers that were allocated
public final class HvmContextImage {
    /// `sizeof(struct hvm_hw_cpu)`.
    public static final int CPU_BYTES = 1032;

    private static final int RIP = 640;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    /// Begins a context.
    ///
    /// @param khz the frequency of the time stamp counter
    public HvmContextImage(int khz) {
        ByteBuffer header = XlImage.buffer(24);
        header.putInt(0x5438_1286).putInt(1).putLong(0).putInt(0x806f8).putInt(khz);
        entry(1, 0, header.array());
    }

    /// Adds an entry.
    public HvmContextImage entry(int type, int instance, byte[] content) {
        out.writeBytes(
                XlImage.buffer(8)
                        .putShort((short) type)
                        .putShort((short) instance)
                        .putInt(content.length)
                        .array());
        out.writeBytes(content);
        return this;
    }

    /// The registers of a processor in 32-bit protected mode without paging, whose code begins at an address.
    static byte[] flatCpu(int address) {
        ByteBuffer cpu = XlImage.buffer(CPU_BYTES);
        // FCW and MXCSR.
        cpu.putShort(0, (short) 0x37f).putInt(24, 0x1f80);
        cpu.putLong(RIP, address).putLong(RIP + 8, 2);
        // CR0: PE, ET. CR4 is 0.
        cpu.putLong(656, 0x11);
        // DR6 and DR7.
        cpu.putLong(720, 0xffff_0ff0L).putLong(728, 0x400);
        for (int i = 0; i < 6; i++) {
            // Selector, limit and attributes of CS, DS, ES, FS, GS, SS.
            cpu.putInt(736 + 4 * i, i == 0 ? 0x10 : 0x18);
            cpu.putInt(768 + 4 * i, -1);
            cpu.putInt(888 + 4 * i, i == 0 ? 0xc9b : 0xc93);
        }
        // TR: a busy TSS of 32 bits.
        cpu.putInt(768 + 24, 0x67).putInt(888 + 24, 0x8b);
        // LDT: none.
        cpu.putInt(888 + 28, 0x02);
        // A counter that has counted, and an FPU that was used.
        cpu.putLong(1008, 1_000_000_000L).putInt(1024, 1);
        return cpu.array();
    }

    /// Adds a processor that is up.
    public HvmContextImage cpu(int vcpu, byte[] cpu) {
        return entry(2, vcpu, cpu);
    }

    /// Adds a local APIC in the mode of x2APIC, which Xen gives the double of the vCPU's number as its id.
    HvmContextImage lapic(int vcpu) {
        return lapic(vcpu, 2 * vcpu, lapicPage(2 * vcpu));
    }

    /// Adds a local APIC.
    ///
    /// @param page of its registers
    public HvmContextImage lapic(int vcpu, int id, byte[] page) {
        ByteBuffer hidden = XlImage.buffer(24);
        hidden.putLong(vcpu == 0 ? 0xfee0_0d00L : 0xfee0_0c00L).putInt(0).putInt(2).putLong(0);
        return entry(5, vcpu, hidden.array()).entry(6, vcpu, page);
    }

    /// The registers of a local APIC that is enabled, with all its interrupts masked.
    ///
    /// @param id in the mode of x2APIC
    public static byte[] lapicPage(int id) {
        ByteBuffer page = XlImage.buffer(1024);
        page.putInt(0x20, id);
        page.putInt(0x30, 0x0005_0014);
        page.putInt(0xd0, id >>> 4 << 16 | 1 << (id & 0xf));
        page.putInt(0xe0, -1);
        page.putInt(0xf0, 0x1ff);
        for (int lvt = 0x320; lvt <= 0x370; lvt += 0x10) {
            page.putInt(lvt, 0x1_0000);
        }
        return page.array();
    }

    /// Adds the lines of chips that a PVH guest does not have, as Xen writes them for it nevertheless.
    HvmContextImage lines() {
        return entry(7, 0, new byte[16]).entry(8, 0, new byte[8]).entry(9, 0, new byte[8]);
    }

    /// Adds MTRRs that make all memory write-back, machine checks and an adjusted counter.
    HvmContextImage rest(int vcpu) {
        ByteBuffer mtrr = XlImage.buffer(8 * 30);
        mtrr.putLong(0, 0x0007_0406_0007_0406L);
        mtrr.putLong(8 * 28, 0x508);
        mtrr.putLong(8 * 29, 0xc06);
        return entry(14, vcpu, mtrr.array())
                .entry(18, vcpu, new byte[32])
                .entry(19, vcpu, new byte[8]);
    }

    /// Ends the context.
    public byte[] end() {
        return entry(0, 0, new byte[0]).bytes();
    }

    byte[] bytes() {
        return out.toByteArray();
    }
}
