package io.xenemu.core.domain;

import io.xenemu.kvm.ioctl.KvmRun;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.SyncRegs;
import io.xenemu.kvm.memory.CpuState;

/// The control registers of a vCPU that is at an exit.
///
/// Leaving them in the shared kvm_run page costs KVM time at every exit, and only hypercalls with an argument in memory need
/// them. So they are asked for at the next exit when the last hypercall needed them. Where that guess is wrong, an ioctl
/// fetches them. At first all registers are left there, until [#leaveRegistersOut].
final class SyncedCpuState implements CpuState {
    private static final SyncRegs[] NOTHING = {};
    private static final SyncRegs[] SREGS = {SyncRegs.SREGS};
    private static final SyncRegs[] ALL = {SyncRegs.REGS, SyncRegs.SREGS};

    private final KvmVcpu vcpu;
    private final KvmRun run;
    private final KvmSregs sregs;

    /// Whether all registers are left in kvm_run at each exit.
    private boolean all = true;

    /// Whether the control registers are.
    private boolean synced = true;

    /// Whether the present hypercall has looked at them; they are up to date then.
    private boolean used;

    SyncedCpuState(KvmVcpu vcpu) {
        this.vcpu = vcpu;
        this.run = vcpu.run();
        this.sregs = run.sregs();
        run.syncRegs(ALL);
    }

    /// Whether the last exit has left all registers in kvm_run.
    boolean hasRegisters() {
        return all;
    }

    /// From the next exit on, only what hypercalls need is left there.
    void leaveRegistersOut() {
        all = false;
        synced = false;
        run.syncRegs(NOTHING);
    }

    /// The vCPU's hypercall has been served.
    void hypercallEnds() {
        if (!all && used != synced) {
            synced = used;
            run.syncRegs(synced ? SREGS : NOTHING);
        }
        used = false;
    }

    @Override
    public long cr0() {
        return current().cr0();
    }

    @Override
    public long cr3() {
        return current().cr3();
    }

    @Override
    public long cr4() {
        return current().cr4();
    }

    @Override
    public long efer() {
        return current().efer();
    }

    @Override
    public boolean longMode() {
        return run.xenLongMode();
    }

    private KvmSregs current() {
        if (!used) {
            used = true;
            if (!synced) {
                vcpu.fillSregs();
            }
        }
        return sregs;
    }
}
