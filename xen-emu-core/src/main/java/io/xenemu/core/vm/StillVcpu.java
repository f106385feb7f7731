package io.xenemu.core.vm;

import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.Runstate;
import io.xenemu.kvm.ioctl.XenTimer;
import java.lang.foreign.MemorySegment;

/// A vCPU of a [StillVm]: it takes every call, and remembers its registers, state and timer. Its timer never fires. An
/// interrupt waits for it, so that no hypercall waits for an event: nobody else would end that. For one thread.
public final class StillVcpu implements VcpuPort {
    private static final int LAPIC_BYTES = 1024;

    /// A byte of the local APIC's interrupt request register.
    private static final int LAPIC_REQUESTED = 0x210;

    private KvmRegs registers = new KvmRegs();
    private KvmSregs system = new KvmSregs();
    private MpState state;
    private XenTimer timer = XenTimer.NONE;

    /// @param state at first: RUNNABLE for the boot vCPU, UNINITIALIZED for the others
    public StillVcpu(MpState state) {
        this.state = state;
    }

    @Override
    public void kick() {}

    @Override
    public boolean interruptsEnabled() {
        return true;
    }

    @Override
    public KvmRegs getRegs() {
        return registers;
    }

    @Override
    public void setRegs(KvmRegs next) {
        registers = next;
    }

    @Override
    public KvmSregs getSregs() {
        return system;
    }

    @Override
    public void setSregs(KvmSregs next) {
        system = next;
    }

    @Override
    public MpState getMpState() {
        return state;
    }

    @Override
    public void setMpState(MpState next) {
        state = next;
    }

    @Override
    public long getMsr(int index) {
        return 0;
    }

    @Override
    public byte[] getLapic() {
        byte[] lapic = new byte[LAPIC_BYTES];
        lapic[LAPIC_REQUESTED] = 1;
        return lapic;
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
    public void runstateCurrent(int state) {}

    @Override
    public Runstate runstateData() {
        return Runstate.NONE;
    }

    @Override
    public void runstateData(Runstate runstate) {}

    @Override
    public void runstateAdjust(Runstate delta) {}

    @Override
    public long cpuTime() {
        return 0;
    }

    @Override
    public void timer(XenTimer next) {
        timer = next;
    }

    @Override
    public XenTimer timer() {
        return timer;
    }

    @Override
    public void upcallVector(int vector) {}

    @Override
    public int tscKhz() {
        return 0;
    }
}
