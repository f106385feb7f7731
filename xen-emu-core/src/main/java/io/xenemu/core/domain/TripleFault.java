package io.xenemu.core.domain;

import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSregs;

/// What an operator can be told of a guest that ended with a triple fault.
final class TripleFault {
    /// Where an x86 processor starts after a reset.
    private static final long RESET_RIP = 0xfff0;

    private TripleFault() {}

    /// One line; for the vCPU's thread, at the exit. On AMD KVM has reset the vCPU by then, and nothing is left to tell.
    static String describe(Vcpu vcpu) {
        try {
            KvmRegs regs = vcpu.kvm().getRegs();
            KvmSregs sregs = vcpu.kvm().getSregs();
            long rip = regs.get(Gpr.RIP);
            if (rip == RESET_RIP && sregs.cr3() == 0) {
                return vcpu + ": triple fault (KVM has reset the registers)";
            }
            return "%s: triple fault at rip %#x, rsp %#x, cr0 %#x, cr2 %#x, cr3 %#x, cr4 %#x, efer %#x"
                    .formatted(
                            vcpu,
                            rip,
                            regs.get(Gpr.RSP),
                            sregs.cr0(),
                            sregs.cr2(),
                            sregs.cr3(),
                            sregs.cr4(),
                            sregs.efer());
        } catch (KvmException e) {
            return vcpu + ": triple fault (" + e.getMessage() + ")";
        }
    }
}
