package io.xenemu.core.vm;

import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.Runstate;
import io.xenemu.kvm.ioctl.XenTimer;
import java.lang.foreign.MemorySegment;

/// A vCPU of a domain's VM, with the calls that the service makes while the domain lives. The exit loop is not part of
/// it.
///
/// Any thread may call [#kick]. The other methods wait until the vCPU has left the guest, so only the vCPU's own
/// thread calls them. Every method throws [io.xenemu.kvm.abi.KvmException] if the VM refuses: EINVAL for a Xen
/// attribute that the kernel does not have, and as each method says. Guest addresses are physical.
///
/// Source: Linux, Documentation/virt/kvm/api.rst.
public interface VcpuPort {
    /// The address that means "none", and ends a registration.
    long INVALID_GPA = -1L;

    /// Makes the vCPU leave the guest: at once, or at its next entry. A kick is never lost.
    void kick();

    /// `if_flag` of kvm_run: whether the guest had interrupts enabled at the last exit.
    boolean interruptsEnabled();

    /// KVM_GET_REGS.
    KvmRegs getRegs();

    /// KVM_SET_REGS.
    void setRegs(KvmRegs registers);

    /// KVM_GET_SREGS.
    KvmSregs getSregs();

    /// KVM_SET_SREGS. EINVAL for a state that the processor does not have.
    void setSregs(KvmSregs registers);

    /// KVM_GET_MP_STATE.
    MpState getMpState();

    /// KVM_SET_MP_STATE.
    void setMpState(MpState state);

    /// KVM_GET_LAPIC: the 1024 bytes of the local APIC's register page.
    byte[] getLapic();

    /// KVM_GET_MSRS of one. EINVAL if there is none of that number.
    long getMsr(int index);

    /// KVM_NMI.
    void nmi();

    /// Makes the VM forget the vCPU's translations of linear addresses, global ones too.
    void flushTlb();

    // Xen.

    /// KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO: sets vcpu_info's address; the VM fills in its time at the next entry. ENXIO
    /// if it is not aligned to 4 bytes, EINVAL if its 64 bytes cross a page, EFAULT outside all memory slots.
    /// [#INVALID_GPA] for none, however it was set.
    void vcpuInfo(long gpa);

    /// KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA: sets vcpu_info's address in this process, for one inside shared_info.
    /// Needs [io.xenemu.kvm.ioctl.XenCapability#SHARED_INFO_HVA].
    ///
    /// @param info a mapping that outlives this setting
    void vcpuInfoHva(MemorySegment info);

    /// KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO: sets a second place for the 32 bytes of time, which must not cross a
    /// page; [#INVALID_GPA] for none.
    void vcpuTimeInfo(long gpa);

    /// KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR: sets the address of the runstate area, which is written at once; or
    /// [#INVALID_GPA] for none. It may cross into the next guest physical page. EOPNOTSUPP without runstate
    /// accounting.
    void runstateAddr(long gpa);

    /// KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_CURRENT: enters a state, and tells the guest; the time until now counts for the
    /// previous state. The next entry to the guest enters [Runstate#RUNNING]. EOPNOTSUPP without runstate accounting.
    ///
    /// @param state 0 to 3, Xen's `RUNSTATE_*`; else EINVAL
    void runstateCurrent(int state);

    /// KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA: how the vCPU has spent its time until it entered its state. EOPNOTSUPP
    /// without runstate accounting.
    Runstate runstateData();

    /// KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA: replaces state and times; the guest sees them at the next
    /// [#runstateAddr]. EINVAL if the times do not add up or lie in the future.
    void runstateData(Runstate runstate);

    /// KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADJUST: adds to the times, and tells the guest. EINVAL if the times do not add
    /// up or end in the future.
    ///
    /// @param delta its numbers may be negative; its state is [Runstate#UNCHANGED] or one to enter
    void runstateAdjust(Runstate delta);

    /// The CPU time of the calling thread, in nanoseconds; for the vCPU's own thread, its time in the guest and in the
    /// service.
    long cpuTime();

    /// KVM_XEN_VCPU_ATTR_TYPE_TIMER: replaces the single-shot timer. An expired one fires at once, so set shared_info
    /// and vcpu_info first.
    void timer(XenTimer timer);

    /// KVM_XEN_VCPU_ATTR_TYPE_TIMER. Delivers the event first if it is due.
    XenTimer timer();

    /// KVM_GET_TSC_KHZ: the frequency of the guest's time stamp counter.
    int tscKhz();

    /// KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR: the vector of HVMOP_set_evtchn_upcall_vector, delivered by the local APIC.
    ///
    /// @param vector 16 to 255, or 0 for none; else EINVAL
    void upcallVector(int vector);
}
