package io.xenemu.core.domain;

import io.xenemu.kvm.ioctl.KvmRun;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.memory.CpuState;

/// The control registers of a vCPU that is at an exit, as KVM left them in the shared kvm_run page.
final class SyncedCpuState implements CpuState {
    private final KvmRun run;
    private final KvmSregs sregs;

    SyncedCpuState(KvmRun run) {
        this.run = run;
        this.sregs = run.sregs();
    }

    @Override
    public long cr0() {
        return sregs.cr0();
    }

    @Override
    public long cr3() {
        return sregs.cr3();
    }

    @Override
    public long cr4() {
        return sregs.cr4();
    }

    @Override
    public long efer() {
        return sregs.efer();
    }

    @Override
    public boolean longMode() {
        return run.xenLongMode();
    }
}
