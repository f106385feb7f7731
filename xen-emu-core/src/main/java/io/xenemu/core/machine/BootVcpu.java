package io.xenemu.core.machine;

import io.xenemu.core.boot.CpuEntry;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.MsrEntry;
import io.xenemu.kvm.ioctl.Segment;
import java.util.List;

/// Gives vCPUs the state in which firmware, or Xen's domain builder, leaves them.
public final class BootVcpu {
    /// IA32_MTRR_DEF_TYPE: MTRRs on, default write-back, as Xen leaves it for PVH.
    private static final int MSR_MTRR_DEF_TYPE = 0x2ff;

    private static final long MTRR_ENABLED_WRITE_BACK = 0x806;

    private BootVcpu() {}

    /// Sets the boot vCPU's registers for the start of a loaded kernel.
    public static void enter(KvmVcpu vcpu, CpuEntry entry) {
        KvmSregs sregs = vcpu.getSregs();
        sregs.cr0(entry.cr0()).cr3(entry.cr3()).cr4(entry.cr4()).efer(entry.efer());
        Segment data = entry.data();
        sregs.segment(Segment.Name.CS, entry.cs());
        sregs.segment(Segment.Name.DS, data);
        sregs.segment(Segment.Name.ES, data);
        sregs.segment(Segment.Name.FS, data);
        sregs.segment(Segment.Name.GS, data);
        sregs.segment(Segment.Name.SS, data);
        sregs.segment(Segment.Name.TR, entry.tr());
        sregs.gdt(entry.gdt(), entry.gdtLimit());
        vcpu.setSregs(sregs);
        KvmRegs regs = new KvmRegs();
        regs.set(Gpr.RIP, entry.rip());
        regs.set(Gpr.RBX, entry.rbx());
        regs.set(Gpr.RSI, entry.rsi());
        regs.set(Gpr.RFLAGS, CpuEntry.RFLAGS);
        vcpu.setRegs(regs);
    }

    /// Makes all memory write-back, on every vCPU, as firmware would.
    static void enableMtrrs(KvmVcpu vcpu) {
        vcpu.setMsrs(List.of(new MsrEntry(MSR_MTRR_DEF_TYPE, MTRR_ENABLED_WRITE_BACK)));
    }
}
