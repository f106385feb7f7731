package io.xenemu.core.xenimage;

import io.xenemu.core.machine.state.KernelBytes;
import io.xenemu.core.machine.state.VcpuState;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.MsrEntry;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// The vCPUs of an HVM context as KVM has them.
///
/// @param states of all vCPUs in order
/// @param apicIdStep the APIC id of each vCPU is its number times this
/// @param tsc the time stamp counter of vCPU 0
record ImportedVcpus(List<VcpuState> states, int apicIdStep, long tsc) {
    /// The step of Xen.
    private static final int XEN_STEP = 2;

    private static final long RFLAGS_FIXED = 1 << 1;
    private static final long CR0_RESET = 0x6000_0010;
    private static final long RIP_RESET = 0xfff0;
    private static final int DR6_RESET = 0xffff_0ff0;
    private static final int DR7_RESET = 0x400;
    private static final int CODE = 0xb;
    private static final int DATA = 0x3;
    private static final int TSS = 0xb;
    private static final int LDT = 0x2;

    ImportedVcpus {
        states = List.copyOf(states);
    }

    /// Takes the states from a context.
    ///
    /// @param vcpus as many as the guest's configuration says
    /// @throws WireException if the context is that of another guest, or cannot be had here
    static ImportedVcpus of(HvmContext context, int vcpus) throws WireException {
        if (context.vcpus() != vcpus) {
            throw new WireException(
                    "the HVM context has %d vCPUs, and the configuration %d"
                            .formatted(context.vcpus(), vcpus));
        }
        List<LapicContext> lapics = new ArrayList<>();
        for (int i = 0; i < vcpus; i++) {
            lapics.add(
                    new LapicContext(
                            context.get(i, HvmRecord.LAPIC), context.get(i, HvmRecord.LAPIC_REGS)));
        }
        int step = step(lapics);
        BodyReader boot = context.find(0, HvmRecord.CPU);
        if (boot == null) {
            throw new WireException("vCPU 0 is down");
        }
        long tsc = new CpuContext(boot).tsc();
        List<VcpuState> states = new ArrayList<>();
        for (int i = 0; i < vcpus; i++) {
            states.add(state(context, i, lapics.get(i), tsc));
        }
        return new ImportedVcpus(states, step, tsc);
    }

    private static int step(List<LapicContext> lapics) throws WireException {
        int step = lapics.size() > 1 ? lapics.get(1).id() : XEN_STEP;
        for (int i = 0; i < lapics.size(); i++) {
            int id = lapics.get(i).id();
            if (step < 1 || step > XEN_STEP || id != i * step) {
                throw new WireException(
                        "the local APIC of vCPU %d has the id %#x, not %#x"
                                .formatted(i, id, i * XEN_STEP));
            }
        }
        return step;
    }

    /// @param bootTsc the counter of vCPU 0
    private static VcpuState state(HvmContext context, int vcpu, LapicContext lapic, long bootTsc)
            throws WireException {
        List<MsrEntry> msrs = new ArrayList<>();
        msrs.addAll(MsrContext.mtrrs(context.get(vcpu, HvmRecord.MTRR)));
        BodyReader adjust = context.find(vcpu, HvmRecord.TSC_ADJUST);
        if (adjust != null) {
            msrs.addAll(MsrContext.tscAdjust(adjust));
        }
        BodyReader others = context.find(vcpu, HvmRecord.CPU_MSR);
        if (others != null) {
            msrs.addAll(MsrContext.others(others));
        }
        msrs.addAll(lapic.msrs());
        BodyReader registers = context.find(vcpu, HvmRecord.CPU);
        BodyReader xsave = context.find(vcpu, HvmRecord.CPU_XSAVE);
        try {
            if (registers == null) {
                return down(lapic, msrs, bootTsc);
            }
            CpuContext cpu = new CpuContext(registers);
            msrs.addAll(cpu.msrs());
            XsaveContext extended =
                    xsave == null ? XsaveContext.ofFpu(cpu.fpu()) : XsaveContext.of(xsave);
            return new VcpuState(
                    new KernelBytes(cpu.registers()),
                    new KernelBytes(cpu.system(lapic.taskPriority(), lapic.apicBase())),
                    new KernelBytes(cpu.debugRegisters()),
                    new KernelBytes(extended.xcrs()),
                    new KernelBytes(extended.area()),
                    msrs,
                    new KernelBytes(lapic.page()),
                    new KernelBytes(cpu.events()),
                    MpState.RUNNABLE,
                    cpu.tsc());
        } catch (IllegalArgumentException e) {
            throw new WireException("vCPU %d: %s".formatted(vcpu, e.getMessage()), e);
        }
    }

    /// A vCPU that is down has its registers of a reset: it waits until the guest starts it.
    private static VcpuState down(LapicContext lapic, List<MsrEntry> msrs, long tsc) {
        KvmRegs registers = new KvmRegs().set(Gpr.RIP, RIP_RESET).set(Gpr.RFLAGS, RFLAGS_FIXED);
        BodyWriter system = new BodyWriter();
        segment(system, 0xffff_0000L, 0xf000, CODE, 1);
        for (int i = 0; i < 5; i++) {
            segment(system, 0, 0, DATA, 1);
        }
        segment(system, 0, 0, TSS, 0);
        segment(system, 0, 0, LDT, 0);
        for (int i = 0; i < 2; i++) {
            system.u64(0).u16(0xffff).u16(0).u16(0).u16(0);
        }
        system.u64(CR0_RESET).u64(0).u64(0).u64(0).u64(0).u64(0).u64(lapic.apicBase());
        for (int i = 0; i < 5; i++) {
            system.u64(0);
        }
        BodyWriter debug = new BodyWriter().u64(0).u64(0).u64(0).u64(0);
        debug.u64(Integer.toUnsignedLong(DR6_RESET)).u64(DR7_RESET);
        for (int i = 0; i < 10; i++) {
            debug.u64(0);
        }
        XsaveContext none = XsaveContext.ofFpu(null);
        return new VcpuState(
                new KernelBytes(registers.toBytes()),
                new KernelBytes(system.toBytes()),
                new KernelBytes(debug.toBytes()),
                new KernelBytes(none.xcrs()),
                new KernelBytes(none.area()),
                msrs,
                new KernelBytes(lapic.page()),
                new KernelBytes(new byte[64]),
                MpState.UNINITIALIZED,
                tsc);
    }

    /// @param s whether it is for code or data
    private static void segment(BodyWriter to, long base, int selector, int type, int s) {
        to.u64(base).u32(0xffff).u16(selector).u8(type).u8(1).u8(0).u8(0).u8(s);
        to.u8(0).u8(0).u8(0).u8(0).u8(0);
    }
}
