package io.xenemu.core.machine;

import io.xenemu.kvm.ioctl.KvmRun;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.SyncRegs;
import io.xenemu.kvm.memory.CpuState;

/// The control registers of a vCPU that is at an exit.
///
/// Copying them to the shared kvm_run page costs KVM time at every exit, and only hypercalls with an argument in
/// memory need them. So they are requested for the next exit if the last hypercall needed them. If that guess is
/// wrong, an ioctl fetches them. Until [#leaveRegistersOut], all registers are copied.
public final class SyncedCpuState implements CpuState {
    private static final SyncRegs[] NOTHING = {};
    private static final SyncRegs[] SREGS = {SyncRegs.SREGS};
    private static final SyncRegs[] ALL = {SyncRegs.REGS, SyncRegs.SREGS};

    private final KvmVcpu vcpu;
    private final KvmRun run;
    private final KvmSregs sregs;

    /// Whether KVM copies all registers to kvm_run at each exit.
    private boolean all = true;

    /// Whether KVM copies the control registers to kvm_run at each exit.
    private boolean synced = true;

    /// Whether the current hypercall has read the control registers, which are up to date then.
    private boolean used;

    /// Whether the current hypercall was made in long mode. It is kept here because each field of its argument asks for
    /// it.
    private boolean longMode;

    public SyncedCpuState(KvmVcpu vcpu) {
        this.vcpu = vcpu;
        this.run = vcpu.run();
        this.sregs = run.sregs();
        run.syncRegs(ALL);
    }

    /// Whether KVM copied all registers to kvm_run at the last exit.
    boolean hasRegisters() {
        return all;
    }

    /// Makes KVM copy only the registers that hypercalls need, from the next exit on.
    void leaveRegistersOut() {
        all = false;
        synced = false;
        run.syncRegs(NOTHING);
    }

    /// Called before the vCPU's hypercall is served.
    void hypercallBegins() {
        longMode = run.xenLongMode();
    }

    /// Called when the vCPU's hypercall has been served.
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
        return longMode;
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
