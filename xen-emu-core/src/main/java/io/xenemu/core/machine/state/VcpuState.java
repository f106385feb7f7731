package io.xenemu.core.machine.state;

import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.MsrEntry;
import java.util.List;

/// A vCPU's processor as KVM has it. KVM's Xen state of it is part of [io.xenemu.core.domain.XenState].
///
/// @param registers `kvm_regs`: general registers, RIP and RFLAGS
/// @param system `kvm_sregs2`: segments, control registers, PDPTRs
/// @param debug `kvm_debugregs`
/// @param xcrs `kvm_xcrs`: which parts of `xsave` are on
/// @param xsave `kvm_xsave`, as long as the host's: x87, SSE, AVX and later registers
/// @param msrs model-specific registers, in the order in which they are restored
/// @param lapic `kvm_lapic_state`: the page of the local APIC
/// @param events `kvm_vcpu_events`: exceptions and interrupts on their way
/// @param mp whether it runs, has halted, or waits to be started
/// @param tscOffset its time stamp counter, minus the [GuestTime#ticks] of the VM at the same moment
public record VcpuState(
        KernelBytes registers,
        KernelBytes system,
        KernelBytes debug,
        KernelBytes xcrs,
        KernelBytes xsave,
        List<MsrEntry> msrs,
        KernelBytes lapic,
        KernelBytes events,
        MpState mp,
        long tscOffset) {
    static final int REGISTERS_BYTES = 144;
    static final int SYSTEM_BYTES = 320;
    static final int DEBUG_BYTES = 128;
    static final int XCRS_BYTES = 392;
    static final int MIN_XSAVE_BYTES = 4096;

    /// Several times as much as the largest processors have.
    static final int MAX_XSAVE_BYTES = 1 << 16;

    static final int LAPIC_BYTES = 1024;
    static final int EVENTS_BYTES = 64;

    /// Several times as many as KVM has.
    static final int MAX_MSRS = 1024;

    /// @throws IllegalArgumentException if KVM has no such state
    public VcpuState {
        registers.requireSize("registers", REGISTERS_BYTES);
        system.requireSize("system registers", SYSTEM_BYTES);
        debug.requireSize("debug registers", DEBUG_BYTES);
        xcrs.requireSize("extended control registers", XCRS_BYTES);
        lapic.requireSize("a local APIC", LAPIC_BYTES);
        events.requireSize("events", EVENTS_BYTES);
        if (xsave.size() < MIN_XSAVE_BYTES || xsave.size() > MAX_XSAVE_BYTES) {
            throw new IllegalArgumentException("XSAVE area of " + xsave.size() + " bytes");
        }
        msrs = List.copyOf(msrs);
        if (msrs.size() > MAX_MSRS) {
            throw new IllegalArgumentException(msrs.size() + " MSRs");
        }
        for (MsrEntry msr : msrs) {
            if (SavedMsrs.isExcluded(msr.index())) {
                throw new IllegalArgumentException(
                        "MSR %#x is never restored".formatted(msr.index()));
            }
        }
    }

    /// A state of zeros, which no processor has.
    public static VcpuState blank(MpState mp) {
        return new VcpuState(
                blank(REGISTERS_BYTES),
                blank(SYSTEM_BYTES),
                blank(DEBUG_BYTES),
                blank(XCRS_BYTES),
                blank(MIN_XSAVE_BYTES),
                List.of(),
                blank(LAPIC_BYTES),
                blank(EVENTS_BYTES),
                mp,
                0);
    }

    private static KernelBytes blank(int size) {
        return new KernelBytes(new byte[size]);
    }

    /// The state of a vCPU that is out of the guest, with its last exit completed.
    ///
    /// @param msrs from [SavedMsrs#of]
    /// @param xsaveBytes the VM's answer for [io.xenemu.kvm.ioctl.KvmCapability#XSAVE2]
    public static VcpuState capture(KvmVcpu vcpu, int[] msrs, int xsaveBytes) {
        // First: KVM takes an INIT or SIPI that waits into account here, which changes the
        // registers.
        MpState mp = vcpu.getMpState();
        KernelBytes events = new KernelBytes(vcpu.getVcpuEvents());
        return new VcpuState(
                new KernelBytes(vcpu.getRegs().toBytes()),
                new KernelBytes(vcpu.getSregs2()),
                new KernelBytes(vcpu.getDebugregs()),
                new KernelBytes(vcpu.getXcrs()),
                new KernelBytes(vcpu.getXsave(xsaveBytes)),
                vcpu.getExistingMsrs(msrs),
                new KernelBytes(vcpu.getLapic()),
                events,
                mp,
                vcpu.getTscOffset());
    }

    /// Gives a new vCPU this state, but for the time stamp counter ([GuestTime]). It has its CPUID leaves, against
    /// which KVM checks the registers.
    ///
    /// @param xsaveBytes as for [#capture]
    /// @throws io.xenemu.kvm.abi.KvmException naming the MSR or the call that this host's KVM refuses
    public void applyTo(KvmVcpu vcpu, int xsaveBytes) {
        // It has APIC_BASE, which decides how the page of the local APIC is read.
        vcpu.setSregs2(system.toBytes());
        // Drops a pending exception, so the events come later.
        vcpu.setRegs(KvmRegs.of(registers.toBytes()));
        // Decides which parts of the area there are.
        vcpu.setXcrs(xcrs.toBytes());
        vcpu.setXsave(xsave.toBytes(), xsaveBytes);
        vcpu.setDebugregs(debug.toBytes());
        vcpu.setMsrs(msrs.stream().filter(msr -> !isDeadline(msr)).toList());
        vcpu.setLapic(lapic.toBytes());
        // KVM ignores it unless the local APIC's timer is in that mode.
        vcpu.setMsrs(msrs.stream().filter(VcpuState::isDeadline).toList());
        vcpu.setVcpuEvents(events.toBytes());
        // Last, since the calls before may start the vCPU.
        vcpu.setMpState(mp);
    }

    private static boolean isDeadline(MsrEntry msr) {
        return msr.index() == SavedMsrs.TSC_DEADLINE;
    }
}
