package io.xenemu.core.machine;

import com.google.common.collect.ImmutableList;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmRun;
import io.xenemu.kvm.ioctl.KvmVcpu;

/// The continuation of a long hypercall: the guest makes the call again for the rest. As in Xen
/// (`hypercall_create_continuation`), its instruction pointer stays at the instruction, and its registers have the new
/// parameters.
///
/// At the next entry KVM completes a hypercall: it sets the result, and moves the instruction pointer past the
/// instruction. It does neither if the instruction pointer has changed (`kvm_xen_hypercall_complete_userspace` of
/// arch/x86/kvm/xen.c). So the pointer is elsewhere for one entry, which ends before the guest runs.
final class ContinuedCall {
    private static final ImmutableList<Gpr> WIDE =
            ImmutableList.of(Gpr.RDI, Gpr.RSI, Gpr.RDX, Gpr.R10, Gpr.R8, Gpr.R9);
    private static final ImmutableList<Gpr> NARROW =
            ImmutableList.of(Gpr.RBX, Gpr.RCX, Gpr.RDX, Gpr.RSI, Gpr.RDI, Gpr.RBP);

    private ContinuedCall() {}

    /// Makes the vCPU, which is at the exit of `call`, make that call again. When it returns, KVM has completed the
    /// exit.
    static void prepare(KvmVcpu vcpu, HypercallContext call) {
        KvmRun run = vcpu.run();
        KvmRegs regs = vcpu.getRegs();
        ImmutableList<Gpr> parameters = call.width() == GuestWidth.BITS_64 ? WIDE : NARROW;
        for (int i = 0; i < parameters.size(); i++) {
            // Unchanged registers are kept: they may have more bits than a 32-bit parameter.
            if (call.word(i) != run.xenParam(i)) {
                regs.set(parameters.get(i), call.word(i));
            }
        }
        long rip = regs.get(Gpr.RIP);
        vcpu.setRegs(regs.set(Gpr.RIP, rip + 1));
        run.requestImmediateExit();
        int errno = vcpu.enter();
        if (errno != Errno.EINTR) {
            throw new IllegalStateException("KVM_RUN entered the guest: " + errno);
        }
        vcpu.setRegs(regs.set(Gpr.RIP, rip));
    }
}
