package io.xenemu.core.machine;

import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.KvmVcpu;

/// Describes, for an operator, a guest's end by a triple fault.
public final class TripleFault {
    /// The address at which an x86 processor starts after a reset.
    private static final long RESET_RIP = 0xfff0;

    private TripleFault() {}

    /// One line; called on the vCPU's thread, at the exit. On AMD, KVM has reset the vCPU by then, so only the
    /// preceding exit is known.
    ///
    /// @param kvm its descriptor
    /// @param last the exit before
    /// @param call the last hypercall, if there was one
    static String describe(Vcpu vcpu, KvmVcpu kvm, LastExit last, HypercallContext call) {
        StringBuilder line = new StringBuilder(vcpu + ": triple fault");
        try {
            line.append(registers(kvm));
        } catch (KvmException e) {
            line.append(" (").append(e.getMessage()).append(')');
        }
        line.append("; ").append(last);
        if (last.anyHypercall()) {
            line.append(
                    "; its last hypercall that KVM did not serve was %d(%#x, %#x, %#x)"
                            .formatted(call.number(), call.word(0), call.word(1), call.word(2)));
        }
        return line.toString();
    }

    private static String registers(KvmVcpu kvm) {
        KvmRegs regs = kvm.getRegs();
        KvmSregs sregs = kvm.getSregs();
        long rip = regs.get(Gpr.RIP);
        if (rip == RESET_RIP && sregs.cr3() == 0) {
            return " (KVM has reset the registers)";
        }
        return " at rip %#x, rsp %#x, cr0 %#x, cr2 %#x, cr3 %#x, cr4 %#x, efer %#x"
                .formatted(
                        rip,
                        regs.get(Gpr.RSP),
                        sregs.cr0(),
                        sregs.cr2(),
                        sregs.cr3(),
                        sregs.cr4(),
                        sregs.efer());
    }
}
