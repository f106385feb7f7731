package io.xenemu.core.hypercall;

import io.xenemu.core.domain.VcpuStart;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.VcpuStructs.HvmContext;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.Segment;
import io.xenemu.kvm.memory.GuestArgument;
import io.xenemu.kvm.memory.GuestField.U16;
import io.xenemu.kvm.memory.GuestField.U32;
import io.xenemu.kvm.memory.GuestField.U64;
import java.util.EnumMap;
import java.util.Map;

/// The registers in a `struct vcpu_hvm_context` that has been copied in. All checks are Xen's, in its order.
///
/// Source: xen/arch/x86/hvm/domain.c (`arch_set_info_hvm_guest`), xen/include/public/hvm/hvm_vcpu.h.
final class VcpuContext {
    private static final int MODE_32 = 0;
    private static final int MODE_64 = 1;

    private static final long CR0_PG = 1L << 31;
    private static final long CR4_PAE = 1 << 5;
    private static final long EFER_SCE = 1;
    private static final long EFER_LME = 1 << 8;
    private static final long EFER_LMA = 1 << 10;
    private static final long EFER_NXE = 1 << 11;

    /// The arithmetic and system flags that exist, and the bit that is always set.
    private static final long RFLAGS = 0x3f_7fd5;

    private static final long RFLAGS_SET = 2;

    /// The bits of an attribute word (`_ar`), as in the upper half of a descriptor.
    private static final int TYPE = 0xf;

    private static final int CODE_OR_DATA = 1 << 4;
    private static final int DPL_SHIFT = 5;
    private static final int DPL = 3;
    private static final int PRESENT = 1 << 7;
    private static final int LONG = 1 << 9;
    private static final int BIG = 1 << 10;
    private static final int PAGES = 1 << 11;
    private static final int PAD_SHIFT = 12;

    private static final int TYPE_ACCESSED = 1;
    private static final int TYPE_BUSY = 2;
    private static final int TYPE_WRITABLE = 2;
    private static final int TYPE_CODE = 8;
    private static final int TYPE_BUSY_TSS = 11;
    private static final int PAGE_SHIFT = 12;

    private static final Map<Gpr, U32> NARROW =
            new EnumMap<>(
                    Map.of(
                            Gpr.RAX, HvmContext.X32_EAX,
                            Gpr.RCX, HvmContext.X32_ECX,
                            Gpr.RDX, HvmContext.X32_EDX,
                            Gpr.RBX, HvmContext.X32_EBX,
                            Gpr.RSP, HvmContext.X32_ESP,
                            Gpr.RBP, HvmContext.X32_EBP,
                            Gpr.RSI, HvmContext.X32_ESI,
                            Gpr.RDI, HvmContext.X32_EDI,
                            Gpr.RIP, HvmContext.X32_EIP));
    private static final Map<Gpr, U64> WIDE =
            new EnumMap<>(
                    Map.of(
                            Gpr.RAX, HvmContext.X64_RAX,
                            Gpr.RCX, HvmContext.X64_RCX,
                            Gpr.RDX, HvmContext.X64_RDX,
                            Gpr.RBX, HvmContext.X64_RBX,
                            Gpr.RSP, HvmContext.X64_RSP,
                            Gpr.RBP, HvmContext.X64_RBP,
                            Gpr.RSI, HvmContext.X64_RSI,
                            Gpr.RDI, HvmContext.X64_RDI,
                            Gpr.RIP, HvmContext.X64_RIP));

    private enum Kind {
        CODE,
        STACK,
        DATA,
        TASK
    }

    private static final SegmentFields CS =
            new SegmentFields(
                    Kind.CODE,
                    HvmContext.X32_CS_BASE,
                    HvmContext.X32_CS_LIMIT,
                    HvmContext.X32_CS_AR);
    private static final SegmentFields DS =
            new SegmentFields(
                    Kind.DATA,
                    HvmContext.X32_DS_BASE,
                    HvmContext.X32_DS_LIMIT,
                    HvmContext.X32_DS_AR);
    private static final SegmentFields SS =
            new SegmentFields(
                    Kind.STACK,
                    HvmContext.X32_SS_BASE,
                    HvmContext.X32_SS_LIMIT,
                    HvmContext.X32_SS_AR);
    private static final SegmentFields ES =
            new SegmentFields(
                    Kind.DATA,
                    HvmContext.X32_ES_BASE,
                    HvmContext.X32_ES_LIMIT,
                    HvmContext.X32_ES_AR);
    private static final SegmentFields TR =
            new SegmentFields(
                    Kind.TASK,
                    HvmContext.X32_TR_BASE,
                    HvmContext.X32_TR_LIMIT,
                    HvmContext.X32_TR_AR);

    /// The fields of a segment of the 32-bit structure.
    private record SegmentFields(Kind kind, U32 base, U32 limit, U16 attributes) {
        /// The segment, with the accessed or busy bit set as it is when the processor has loaded it.
        Segment read(GuestArgument c) throws XenError {
            int ar = c.get(attributes);
            require(ar >> PAD_SHIFT == 0);
            if ((ar & PRESENT) != 0) {
                ar |= kind == Kind.TASK ? TYPE_BUSY : TYPE_ACCESSED;
            }
            check(kind, ar);
            return segment(c.get(base), c.bits(limit), ar);
        }
    }

    private VcpuContext() {}

    /// Reads the registers.
    ///
    /// @throws XenError EINVAL for a mode that does not exist, or registers that do not go together
    static VcpuStart read(GuestArgument context) throws XenError {
        require(context.get(HvmContext.PAD) == 0);
        int mode = context.bits(HvmContext.MODE);
        require(mode == MODE_32 || mode == MODE_64);
        VcpuStart start = mode == MODE_32 ? narrow(context) : wide(context);
        require((start.efer() & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) == 0);
        return start;
    }

    private static void require(boolean valid) throws XenError {
        if (!valid) {
            throw XenError.EINVAL;
        }
    }

    private static VcpuStart narrow(GuestArgument c) throws XenError {
        require(c.get(HvmContext.X32_PAD1) == 0);
        for (int i = 0; i < HvmContext.X32_PAD2.count(c.width()); i++) {
            require(c.get(HvmContext.X32_PAD2, i) == 0);
        }
        Segment cs = CS.read(c);
        Segment ds = DS.read(c);
        Segment ss = SS.read(c);
        Segment es = ES.read(c);
        Segment tr = TR.read(c);
        require(c.get(HvmContext.X32_EIP) <= limit(cs));
        require(ss.dpl() == cs.dpl());
        require(!ds.present() || ds.dpl() <= cs.dpl());
        require(!es.present() || es.dpl() <= cs.dpl());
        long efer = c.get(HvmContext.X32_EFER);
        require((efer & EFER_LMA) == 0 || (efer & EFER_LME) != 0);
        KvmRegs registers = new KvmRegs();
        NARROW.forEach((register, field) -> registers.set(register, c.get(field)));
        registers.set(Gpr.RFLAGS, flags(c.get(HvmContext.X32_EFLAGS)));
        return new VcpuStart(
                registers,
                c.get(HvmContext.X32_CR0),
                c.get(HvmContext.X32_CR3),
                c.get(HvmContext.X32_CR4),
                active(efer),
                cs,
                ds,
                ss,
                es,
                tr);
    }

    private static VcpuStart wide(GuestArgument c) throws XenError {
        long rip = c.get(HvmContext.X64_RIP);
        require(rip << 16 >> 16 == rip);
        long cr0 = c.get(HvmContext.X64_CR0);
        long cr4 = c.get(HvmContext.X64_CR4);
        long efer = c.get(HvmContext.X64_EFER);
        require((cr0 & CR0_PG) != 0);
        require((cr4 & CR4_PAE) != 0);
        require((efer & EFER_LME) != 0);
        KvmRegs registers = new KvmRegs();
        WIDE.forEach((register, field) -> registers.set(register, c.get(field)));
        registers.set(Gpr.RFLAGS, flags(c.get(HvmContext.X64_RFLAGS)));
        Segment data = segment(0, -1, CODE_OR_DATA | PRESENT | BIG | PAGES | 3);
        return new VcpuStart(
                registers,
                cr0,
                c.get(HvmContext.X64_CR3),
                cr4,
                active(efer),
                segment(0, -1, CODE_OR_DATA | PRESENT | LONG | PAGES | 11),
                data,
                data,
                data,
                segment(0, 0x67, PRESENT | TYPE_BUSY_TSS));
    }

    private static long flags(long given) {
        return (given & RFLAGS) | RFLAGS_SET;
    }

    /// Long mode that is enabled is active.
    private static long active(long efer) {
        return (efer & EFER_LME) == 0 ? efer : efer | EFER_LMA;
    }

    private static long limit(Segment segment) {
        long limit = Integer.toUnsignedLong(segment.limit());
        return segment.g() ? (limit << PAGE_SHIFT | 0xfff) & 0xffff_ffffL : limit;
    }

    private static void check(Kind kind, int ar) throws XenError {
        if (ar == 0) {
            require(kind == Kind.DATA);
            return;
        }
        boolean codeOrData = (ar & CODE_OR_DATA) != 0;
        int type = ar & TYPE;
        boolean code = (type & TYPE_CODE) != 0;
        boolean writable = (type & TYPE_WRITABLE) != 0;
        require(codeOrData == (kind != Kind.TASK));
        require((ar & PRESENT) != 0);
        switch (kind) {
            case CODE -> require(code);
            case STACK -> require(!code && writable);
            // Bit 1 of a code segment says that it can be read.
            case DATA -> require(!code || writable);
            case TASK -> require(type == TYPE_BUSY_TSS);
        }
    }

    private static Segment segment(long base, int limit, int ar) {
        return new Segment(
                base,
                limit,
                0,
                ar & TYPE,
                (ar & PRESENT) != 0,
                ar >> DPL_SHIFT & DPL,
                (ar & BIG) != 0,
                (ar & CODE_OR_DATA) != 0,
                (ar & LONG) != 0,
                (ar & PAGES) != 0,
                (ar & PRESENT) == 0);
    }
}
