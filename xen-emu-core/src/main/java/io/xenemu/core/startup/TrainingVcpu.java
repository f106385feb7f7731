package io.xenemu.core.startup;

import io.xenemu.core.vm.VcpuPort;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.Runstate;
import io.xenemu.kvm.ioctl.XenTimer;
import java.lang.foreign.MemorySegment;

/// A vCPU of a [TrainingVm]: it takes every call and does nothing. It has interrupts disabled.
final class TrainingVcpu implements VcpuPort {
    private static final int LAPIC_BYTES = 1024;

    @Override
    public void kick() {}

    @Override
    public boolean interruptsEnabled() {
        return false;
    }

    @Override
    public KvmRegs getRegs() {
        return new KvmRegs();
    }

    @Override
    public void setRegs(KvmRegs registers) {}

    @Override
    public KvmSregs getSregs() {
        return new KvmSregs();
    }

    @Override
    public void setSregs(KvmSregs registers) {}

    @Override
    public MpState getMpState() {
        return MpState.RUNNABLE;
    }

    @Override
    public void setMpState(MpState state) {}

    @Override
    public long getMsr(int index) {
        return 0;
    }

    @Override
    public byte[] getLapic() {
        return new byte[LAPIC_BYTES];
    }

    @Override
    public void nmi() {}

    @Override
    public void flushTlb() {}

    @Override
    public void vcpuInfo(long gpa) {}

    @Override
    public void vcpuInfoHva(MemorySegment info) {}

    @Override
    public void vcpuTimeInfo(long gpa) {}

    @Override
    public void runstateAddr(long gpa) {}

    @Override
    public Runstate runstateData() {
        return new Runstate(0, 0, 0, 0, 0, 0);
    }

    @Override
    public void timer(XenTimer timer) {}

    @Override
    public XenTimer timer() {
        return XenTimer.NONE;
    }

    @Override
    public void upcallVector(int vector) {}
}
