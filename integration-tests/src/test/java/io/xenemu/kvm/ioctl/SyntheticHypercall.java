package io.xenemu.kvm.ioctl;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.NullMarked;

/// Makes a vCPU's kvm_run say that a hypercall was made, in place of the kernel. In this package because kvm_run's
/// members can only be written here that the kernel alone writes.
@NullMarked
public final class SyntheticHypercall {
    private SyntheticHypercall() {}

    /// Fills the page in for a 64-bit kernel; the control registers in it become those of the vCPU.
    ///
    /// @param parameters RDI and so on, as many as the hypercall takes
    @SuppressWarnings("restricted")
    public static void write(KvmVcpu vcpu, long number, long... parameters) {
        vcpu.fillSregs();
        long page =
                vcpu.run().sregs().memory().address()
                        - CTypes.offset(RunStructs.KVM_RUN, "s.regs.sregs");
        // SAFETY: the mapping of kvm_run holds the registers and everything before them, and lasts
        // as long as the vCPU.
        CStruct run =
                new CStruct(
                        MemorySegment.ofAddress(page).reinterpret(RunStructs.KVM_RUN.byteSize()),
                        RunStructs.KVM_RUN);
        run.set("exit_reason", ExitReason.XEN.number())
                .set("xen.type", KvmRun.XEN_HCALL)
                .set("xen.u.hcall.longmode", 1)
                .set("xen.u.hcall.cpl", 0)
                .set("xen.u.hcall.input", number);
        long at = CTypes.offset(RunStructs.KVM_RUN, "xen.u.hcall.params");
        MemorySegment.copy(
                parameters, 0, run.memory(), ValueLayout.JAVA_LONG, at, parameters.length);
    }
}
