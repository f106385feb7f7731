package io.xenemu.kvm.ioctl;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// A vCPU's Xen attributes (KVM_XEN_VCPU_SET_ATTR, KVM_XEN_VCPU_GET_ATTR). Like all vCPU ioctls, they wait until the
/// vCPU leaves KVM_RUN, so the vCPU's own thread should issue them.
///
/// Every method throws [io.xenemu.kvm.abi.KvmException]: EINVAL for an attribute that the kernel does not have, and
/// as each method says. Guest addresses are physical; [#INVALID_GPA] means none and ends a registration.
public final class XenVcpuAttributes {
    /// The address that means "none".
    public static final long INVALID_GPA = -1L;

    private static final int VCPU_INFO = 0;
    private static final int VCPU_TIME_INFO = 1;
    private static final int RUNSTATE_ADDR = 2;
    private static final int RUNSTATE_CURRENT = 3;
    private static final int RUNSTATE_DATA = 4;
    private static final int RUNSTATE_ADJUST = 5;
    private static final int VCPU_ID = 6;
    private static final int TIMER = 7;
    private static final int UPCALL_VECTOR = 8;
    private static final int VCPU_INFO_HVA = 9;

    private final KvmDescriptor vcpu;

    XenVcpuAttributes(KvmDescriptor vcpu) {
        this.vcpu = vcpu;
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO: sets vcpu_info's address; the kernel fills in its time at the next entry.
    /// ENXIO if it is not aligned to 4 bytes, EINVAL if its 64 bytes cross a page, EFAULT outside all memory slots.
    public void vcpuInfo(long gpa) {
        set(VCPU_INFO, "u.gpa", gpa);
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO.
    public long vcpuInfo() {
        return get(VCPU_INFO, "u.gpa");
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA: sets vcpu_info's address in this process, for one inside shared_info.
    /// Needs [XenCapability#SHARED_INFO_HVA].
    ///
    /// @param info a mapping that outlives this setting, or [MemorySegment#NULL] for none
    public void vcpuInfoHva(MemorySegment info) {
        set(VCPU_INFO_HVA, "u.hva", info.address());
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA: the address, or 0.
    public long vcpuInfoHva() {
        return get(VCPU_INFO_HVA, "u.hva");
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO: sets a second place for the 32 bytes of time, which must not cross a
    /// page.
    public void vcpuTimeInfo(long gpa) {
        set(VCPU_TIME_INFO, "u.gpa", gpa);
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO.
    public long vcpuTimeInfo() {
        return get(VCPU_TIME_INFO, "u.gpa");
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR: sets the address of the runstate area, which is written at once. It may
    /// cross into the next guest physical page. EOPNOTSUPP without runstate accounting.
    public void runstateAddr(long gpa) {
        set(RUNSTATE_ADDR, "u.gpa", gpa);
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR. ENOENT if it was never set.
    public long runstateAddr() {
        return get(RUNSTATE_ADDR, "u.gpa");
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_CURRENT: enters a state; the time until now counts for the previous state.
    ///
    /// @param state 0 to 3, Xen's `RUNSTATE_*`
    public void runstateCurrent(int state) {
        set(RUNSTATE_CURRENT, "u.runstate.state", state);
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_CURRENT.
    public int runstateCurrent() {
        return (int) get(RUNSTATE_CURRENT, "u.runstate.state");
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA: replaces state and times; the guest sees them at the next
    /// [#runstateAddr]. EINVAL if the times do not add up or lie in the future: set the clock first.
    public void runstateData(Runstate runstate) {
        setRunstate(RUNSTATE_DATA, runstate);
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA.
    public Runstate runstateData() {
        try (Arena arena = Arena.ofConfined()) {
            CStruct a = attribute(arena, RUNSTATE_DATA);
            KvmIoctl.KVM_XEN_VCPU_GET_ATTR.call(vcpu, a.memory());
            return new Runstate(
                    a.get("u.runstate.state"),
                    a.get("u.runstate.state_entry_time"),
                    a.get("u.runstate.time_running"),
                    a.get("u.runstate.time_runnable"),
                    a.get("u.runstate.time_blocked"),
                    a.get("u.runstate.time_offline"));
        }
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADJUST: adds to the times, and changes the state unless it is
    /// [Runstate#UNCHANGED]; the guest sees it at once. EINVAL if the times do not add up or end in the future.
    public void runstateAdjust(Runstate delta) {
        setRunstate(RUNSTATE_ADJUST, delta);
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID: sets Xen's number of this vCPU, with which the kernel compares timer
    /// hypercalls. By default the order of creation.
    public void vcpuId(int id) {
        set(VCPU_ID, "u.vcpu_id", id);
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID.
    public int vcpuId() {
        return (int) get(VCPU_ID, "u.vcpu_id");
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_TIMER: replaces the single-shot timer. An expired one fires at once, so set shared_info
    /// and vcpu_info first.
    public void timer(XenTimer timer) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct attribute =
                    attribute(arena, TIMER)
                            .set("u.timer.port", timer.port())
                            .set("u.timer.priority", XenHvmAttributes.PRIORITY_2LEVEL)
                            .set("u.timer.expires_ns", timer.expiresNs());
            KvmIoctl.KVM_XEN_VCPU_SET_ATTR.call(vcpu, attribute.memory());
        }
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_TIMER. Delivers the event first if it is due.
    public XenTimer timer() {
        try (Arena arena = Arena.ofConfined()) {
            CStruct a = attribute(arena, TIMER);
            KvmIoctl.KVM_XEN_VCPU_GET_ATTR.call(vcpu, a.memory());
            return new XenTimer(a.getInt("u.timer.port"), a.get("u.timer.expires_ns"));
        }
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR: the vector of HVMOP_set_evtchn_upcall_vector, delivered by the local APIC.
    ///
    /// @param vector 16 to 255, or 0 for none; else EINVAL
    public void upcallVector(int vector) {
        set(UPCALL_VECTOR, "u.vector", vector);
    }

    /// KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR.
    public int upcallVector() {
        return (int) get(UPCALL_VECTOR, "u.vector");
    }

    private void setRunstate(int type, Runstate r) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct attribute =
                    attribute(arena, type)
                            .set("u.runstate.state", r.state())
                            .set("u.runstate.state_entry_time", r.stateEntryTime())
                            .set("u.runstate.time_running", r.timeRunning())
                            .set("u.runstate.time_runnable", r.timeRunnable())
                            .set("u.runstate.time_blocked", r.timeBlocked())
                            .set("u.runstate.time_offline", r.timeOffline());
            KvmIoctl.KVM_XEN_VCPU_SET_ATTR.call(vcpu, attribute.memory());
        }
    }

    private void set(int type, String member, long value) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct attribute = attribute(arena, type).set(member, value);
            KvmIoctl.KVM_XEN_VCPU_SET_ATTR.call(vcpu, attribute.memory());
        }
    }

    private long get(int type, String member) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct attribute = attribute(arena, type);
            KvmIoctl.KVM_XEN_VCPU_GET_ATTR.call(vcpu, attribute.memory());
            return attribute.get(member);
        }
    }

    private static CStruct attribute(Arena arena, int type) {
        return CStruct.allocate(arena, XenStructs.KVM_XEN_VCPU_ATTR).set("type", type);
    }
}
