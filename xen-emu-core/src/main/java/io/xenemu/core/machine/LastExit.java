package io.xenemu.core.machine;

import io.xenemu.kvm.ioctl.ExitReason;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRun;
import io.xenemu.kvm.ioctl.KvmSregs;

/// A vCPU's last exit, which helps to find out why it is gone. It costs a few stores at each exit. Registers are known
/// as long as KVM leaves them in kvm_run. It does so while the guest is young, when most triple faults occur.
public final class LastExit {
    private long exits;
    private long hypercalls;
    private ExitReason reason = ExitReason.INTR;
    private int port;
    private boolean registers;
    private long rip;
    private long rsp;
    private long cr0;
    private long cr3;
    private long cr4;
    private long efer;

    /// Records an exit before it is served.
    ///
    /// @param synced whether KVM has left the registers in `run`
    void keep(KvmRun run, ExitReason at, boolean synced) {
        exits++;
        if (reason != at) {
            // Seldom done, since storing a reference costs more than a plain store.
            reason = at;
        }
        if (at == ExitReason.XEN) {
            hypercalls++;
        } else if (at == ExitReason.IO) {
            port = run.ioPort();
        }
        registers = synced;
        if (synced) {
            keepRegisters(run);
        }
    }

    private void keepRegisters(KvmRun run) {
        rip = run.regs().get(Gpr.RIP);
        rsp = run.regs().get(Gpr.RSP);
        KvmSregs sregs = run.sregs();
        cr0 = sregs.cr0();
        cr3 = sregs.cr3();
        cr4 = sregs.cr4();
        efer = sregs.efer();
    }

    /// The number of exits.
    long exits() {
        return exits;
    }

    /// Whether the vCPU has made a hypercall that reached the service.
    boolean anyHypercall() {
        return hypercalls > 0;
    }

    /// A part of a line for the log.
    @Override
    public String toString() {
        if (exits == 0) {
            return "it had not left the guest before";
        }
        String what = reason == ExitReason.IO ? "IO at port %#x".formatted(port) : reason.name();
        String text = "exit %d before it was %s".formatted(exits, what);
        return registers
                ? text
                        + " at rip %#x, rsp %#x, cr0 %#x, cr3 %#x, cr4 %#x, efer %#x"
                                .formatted(rip, rsp, cr0, cr3, cr4, efer)
                : text;
    }
}
