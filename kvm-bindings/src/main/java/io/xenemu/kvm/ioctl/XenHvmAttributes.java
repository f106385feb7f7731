package io.xenemu.kvm.ioctl;

import io.xenemu.kvm.abi.VcpuId;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// A VM's Xen attributes (KVM_XEN_HVM_SET_ATTR, KVM_XEN_HVM_GET_ATTR). Any thread may call these. Every method throws
/// [io.xenemu.kvm.abi.KvmException]: ENOENT for an attribute that the kernel does not have, and as each method says.
public final class XenHvmAttributes {
    /// The frame number that means "none".
    public static final long INVALID_GFN = -1L;

    /// `KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL`, the only priority that exists.
    static final int PRIORITY_2LEVEL = -1;

    private static final int LONG_MODE = 0;
    private static final int SHARED_INFO = 1;
    private static final int UPCALL_VECTOR = 2;
    private static final int EVTCHN = 3;
    private static final int XEN_VERSION = 4;
    private static final int RUNSTATE_UPDATE_FLAG = 5;
    private static final int SHARED_INFO_HVA = 6;

    /// `EVTCHNSTAT_interdomain` and `EVTCHNSTAT_ipi` of Xen's event_channel.h.
    private static final int TYPE_INTERDOMAIN = 2;

    private static final int TYPE_IPI = 5;

    private static final int EVTCHN_ASSIGN = 0;
    private static final int EVTCHN_DEASSIGN = 1;
    private static final int EVTCHN_UPDATE = 2;
    private static final int EVTCHN_RESET = 4;

    private final KvmDescriptor vm;

    XenHvmAttributes(KvmDescriptor vm) {
        this.vm = vm;
    }

    /// KVM_XEN_ATTR_TYPE_LONG_MODE: selects shared_info's layout, and with it the number of ports (4096 or 1024). Set
    /// it before all other attributes. Writes the wall clock into an active shared_info.
    public void longMode(boolean on) {
        set(LONG_MODE, "u.long_mode", on ? 1 : 0);
    }

    /// KVM_XEN_ATTR_TYPE_LONG_MODE.
    public boolean longMode() {
        return get(LONG_MODE, "u.long_mode") != 0;
    }

    /// KVM_XEN_ATTR_TYPE_SHARED_INFO: sets shared_info's guest frame, and writes the wall clock there. EFAULT outside
    /// all memory slots.
    ///
    /// @param gfn a frame number, or [#INVALID_GFN] for none
    public void sharedInfoGfn(long gfn) {
        set(SHARED_INFO, "u.shared_info.gfn", gfn);
    }

    /// KVM_XEN_ATTR_TYPE_SHARED_INFO: the frame, or [#INVALID_GFN].
    public long sharedInfoGfn() {
        return get(SHARED_INFO, "u.shared_info.gfn");
    }

    /// KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA: sets shared_info's address in this process; preferable, since changes of
    /// memory slots do not affect it. Needs [XenCapability#SHARED_INFO_HVA].
    ///
    /// @param page a page-aligned mapping that outlives this setting, or [MemorySegment#NULL] for none
    public void sharedInfoHva(MemorySegment page) {
        set(SHARED_INFO_HVA, "u.shared_info.hva", page.address());
    }

    /// KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA: the address, or 0.
    public long sharedInfoHva() {
        return get(SHARED_INFO_HVA, "u.shared_info.hva");
    }

    /// KVM_XEN_ATTR_TYPE_UPCALL_VECTOR: the vector of HVM_PARAM_CALLBACK_IRQ, injected without the local APIC into
    /// vCPUs with upcalls pending.
    ///
    /// @param vector 16 to 255, or 0 for none; else EINVAL
    public void upcallVector(int vector) {
        set(UPCALL_VECTOR, "u.vector", vector);
    }

    /// KVM_XEN_ATTR_TYPE_UPCALL_VECTOR.
    public int upcallVector() {
        return (int) get(UPCALL_VECTOR, "u.vector");
    }

    /// KVM_XEN_ATTR_TYPE_XEN_VERSION: the kernel's own answer to XENVER_version.
    ///
    /// @param version major << 16 | minor, or 0 to let the call exit to user space
    public void xenVersion(int version) {
        set(XEN_VERSION, "u.xen_version", version);
    }

    /// KVM_XEN_ATTR_TYPE_XEN_VERSION.
    public int xenVersion() {
        return (int) get(XEN_VERSION, "u.xen_version");
    }

    /// KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG: whether runstate areas are marked while they are written
    /// (VMASST_TYPE_runstate_update_flag). EOPNOTSUPP without runstate accounting.
    public void runstateUpdateFlag(boolean on) {
        set(RUNSTATE_UPDATE_FLAG, "u.runstate_update_flag", on ? 1 : 0);
    }

    /// KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG.
    public boolean runstateUpdateFlag() {
        return get(RUNSTATE_UPDATE_FLAG, "u.runstate_update_flag") != 0;
    }

    /// KVM_XEN_ATTR_TYPE_EVTCHN: makes the kernel deliver sends on an IPI port. EEXIST if the port is assigned,
    /// EINVAL if it is 0 or too high for the mode set by [#longMode].
    ///
    /// @param vcpu KVM's id of the vCPU that the port is bound to; it need not exist yet
    public void assignIpi(int port, VcpuId vcpu) {
        toPort(EVTCHN_ASSIGN, TYPE_IPI, port, port, vcpu);
    }

    /// KVM_XEN_ATTR_TYPE_EVTCHN: changes the vCPU of an IPI port. ENOENT if it is not assigned.
    public void updateIpi(int port, VcpuId vcpu) {
        toPort(EVTCHN_UPDATE, TYPE_IPI, port, port, vcpu);
    }

    /// KVM_XEN_ATTR_TYPE_EVTCHN: turns sends on a port into events on another port of the same guest. Errors as
    /// [#assignIpi].
    public void assignLoopback(int sendPort, int deliverPort, VcpuId vcpu) {
        toPort(EVTCHN_ASSIGN, TYPE_INTERDOMAIN, sendPort, deliverPort, vcpu);
    }

    /// KVM_XEN_ATTR_TYPE_EVTCHN: changes the vCPU of a loopback. ENOENT if it is not assigned, EINVAL if the port
    /// differs.
    public void updateLoopback(int sendPort, int deliverPort, VcpuId vcpu) {
        toPort(EVTCHN_UPDATE, TYPE_INTERDOMAIN, sendPort, deliverPort, vcpu);
    }

    /// KVM_XEN_ATTR_TYPE_EVTCHN: makes sends on a port signal an eventfd: a back end's, or an irqfd of another VM.
    /// Errors as [#assignIpi].
    ///
    /// @param eventfd descriptor of an eventfd; the kernel keeps its own reference
    public void assignEventfd(int sendPort, int eventfd) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct attribute =
                    evtchn(arena, EVTCHN_ASSIGN, TYPE_INTERDOMAIN, sendPort)
                            .set("u.evtchn.deliver.eventfd.fd", eventfd);
            KvmIoctl.KVM_XEN_HVM_SET_ATTR.call(
                    vm, attribute.memory(), attribute.descriptor("u.evtchn.deliver.eventfd.fd"));
        }
    }

    /// KVM_XEN_ATTR_TYPE_EVTCHN: makes sends on a port exit to user space again. ENOENT if it is not assigned.
    public void deassign(int sendPort) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct attribute = evtchn(arena, EVTCHN_DEASSIGN, 0, sendPort);
            KvmIoctl.KVM_XEN_HVM_SET_ATTR.call(vm, attribute.memory());
        }
    }

    /// KVM_XEN_ATTR_TYPE_EVTCHN: removes all assignments.
    public void resetEvtchns() {
        try (Arena arena = Arena.ofConfined()) {
            CStruct attribute = evtchn(arena, EVTCHN_RESET, 0, 0);
            KvmIoctl.KVM_XEN_HVM_SET_ATTR.call(vm, attribute.memory());
        }
    }

    private void toPort(int operation, int type, int sendPort, int deliverPort, VcpuId vcpu) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct attribute =
                    evtchn(arena, operation, type, sendPort)
                            .set("u.evtchn.deliver.port.port", deliverPort)
                            .set("u.evtchn.deliver.port.vcpu", vcpu.value())
                            .set("u.evtchn.deliver.port.priority", PRIORITY_2LEVEL);
            KvmIoctl.KVM_XEN_HVM_SET_ATTR.call(vm, attribute.memory());
        }
    }

    private static CStruct evtchn(Arena arena, int operation, int type, int sendPort) {
        return attribute(arena, EVTCHN)
                .set("u.evtchn.send_port", sendPort)
                .set("u.evtchn.type", type)
                .set("u.evtchn.flags", operation);
    }

    private void set(int type, String member, long value) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct attribute = attribute(arena, type).set(member, value);
            KvmIoctl.KVM_XEN_HVM_SET_ATTR.call(vm, attribute.memory());
        }
    }

    private long get(int type, String member) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct attribute = attribute(arena, type);
            KvmIoctl.KVM_XEN_HVM_GET_ATTR.call(vm, attribute.memory());
            return attribute.get(member);
        }
    }

    private static CStruct attribute(Arena arena, int type) {
        return CStruct.allocate(arena, XenStructs.KVM_XEN_HVM_ATTR).set("type", type);
    }
}
