package io.xenemu.core.machine;

import io.xenemu.core.vm.VcpuPort;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.Runstate;
import io.xenemu.kvm.ioctl.XenTimer;
import io.xenemu.kvm.ioctl.XenVcpuAttributes;
import java.lang.foreign.MemorySegment;

/// A vCPU of a [LocalVm], which closes it.
public final class LocalVcpu implements VcpuPort {
    /// Page global enable.
    private static final long CR4_PGE = 1 << 7;

    private final KvmVcpu kvm;
    private final XenVcpuAttributes xen;

    LocalVcpu(KvmVcpu kvm) {
        this.kvm = kvm;
        this.xen = kvm.xen();
    }

    @Override
    public int tscKhz() {
        return kvm.getTscKhz();
    }

    /// The descriptor, with which this package runs the vCPU.
    public KvmVcpu kvm() {
        return kvm;
    }

    @Override
    public void kick() {
        kvm.kick();
    }

    @Override
    public boolean interruptsEnabled() {
        return kvm.run().interruptsEnabled();
    }

    @Override
    public KvmRegs getRegs() {
        return kvm.getRegs();
    }

    @Override
    public void setRegs(KvmRegs registers) {
        kvm.setRegs(registers);
    }

    @Override
    public KvmSregs getSregs() {
        return kvm.getSregs();
    }

    @Override
    public void setSregs(KvmSregs registers) {
        kvm.setSregs(registers);
    }

    @Override
    public MpState getMpState() {
        return kvm.getMpState();
    }

    @Override
    public void setMpState(MpState state) {
        kvm.setMpState(state);
    }

    @Override
    public byte[] getLapic() {
        return kvm.getLapic();
    }

    @Override
    public long getMsr(int index) {
        return kvm.getMsrs(index).getFirst().data();
    }

    @Override
    public void nmi() {
        kvm.nmi();
    }

    /// Changes CR4.PGE and changes it back: like a processor, KVM flushes at each change.
    @Override
    public void flushTlb() {
        KvmSregs sregs = kvm.getSregs();
        long cr4 = sregs.cr4();
        kvm.setSregs(sregs.cr4(cr4 ^ CR4_PGE));
        kvm.setSregs(sregs.cr4(cr4));
    }

    @Override
    public void vcpuInfo(long gpa) {
        xen.vcpuInfo(gpa);
    }

    @Override
    public void vcpuInfoHva(MemorySegment info) {
        xen.vcpuInfoHva(info);
    }

    @Override
    public void vcpuTimeInfo(long gpa) {
        xen.vcpuTimeInfo(gpa);
    }

    @Override
    public void runstateAddr(long gpa) {
        xen.runstateAddr(gpa);
    }

    @Override
    public void runstateCurrent(int state) {
        xen.runstateCurrent(state);
    }

    @Override
    public Runstate runstateData() {
        return xen.runstateData();
    }

    @Override
    public void runstateData(Runstate runstate) {
        xen.runstateData(runstate);
    }

    @Override
    public void runstateAdjust(Runstate delta) {
        xen.runstateAdjust(delta);
    }

    @Override
    public long cpuTime() {
        return KvmVcpu.threadCpuTime();
    }

    @Override
    public void timer(XenTimer timer) {
        xen.timer(timer);
    }

    @Override
    public XenTimer timer() {
        return xen.timer();
    }

    @Override
    public void upcallVector(int vector) {
        xen.upcallVector(vector);
    }
}
