package io.xenemu.kvm.ioctl;

import static io.xenemu.kvm.ioctl.CTypes.array;
import static io.xenemu.kvm.ioctl.CTypes.bytes;
import static io.xenemu.kvm.ioctl.CTypes.struct;
import static io.xenemu.kvm.ioctl.CTypes.u16;
import static io.xenemu.kvm.ioctl.CTypes.u32;
import static io.xenemu.kvm.ioctl.CTypes.u64;
import static io.xenemu.kvm.ioctl.CTypes.u8;
import static io.xenemu.kvm.ioctl.CTypes.union;

import java.lang.foreign.StructLayout;

/// Structures of KVM's Xen interface, as of Linux 6.12 (`linux/kvm.h`, `asm/kvm.h`). Older headers lack some union
/// members; sizes and the offsets of the rest are the same.
final class XenStructs {
    static final StructLayout KVM_XEN_HVM_CONFIG =
            struct(
                    "kvm_xen_hvm_config",
                    u32("flags"),
                    u32("msr"),
                    u64("blob_addr_32"),
                    u64("blob_addr_64"),
                    u8("blob_size_32"),
                    u8("blob_size_64"),
                    bytes("pad2", 30));

    static final StructLayout KVM_IRQ_ROUTING_XEN_EVTCHN =
            struct("kvm_irq_routing_xen_evtchn", u32("port"), u32("vcpu"), u32("priority"));

    static final StructLayout KVM_XEN_HVM_ATTR =
            struct(
                    "kvm_xen_hvm_attr",
                    u16("type"),
                    array("pad", 3, u16("")),
                    union(
                            "u",
                            u8("long_mode"),
                            u8("vector"),
                            u8("runstate_update_flag"),
                            union("shared_info", u64("gfn"), u64("hva")),
                            struct(
                                    "evtchn",
                                    u32("send_port"),
                                    u32("type"),
                                    u32("flags"),
                                    union(
                                            "deliver",
                                            struct(
                                                    "port",
                                                    u32("port"),
                                                    u32("vcpu"),
                                                    u32("priority")),
                                            struct("eventfd", u32("port"), u32("fd")),
                                            array("padding", 4, u32("")))),
                            u32("xen_version"),
                            array("pad", 8, u64(""))));

    static final StructLayout KVM_XEN_VCPU_ATTR =
            struct(
                    "kvm_xen_vcpu_attr",
                    u16("type"),
                    array("pad", 3, u16("")),
                    union(
                            "u",
                            u64("gpa"),
                            u64("hva"),
                            array("pad", 8, u64("")),
                            struct(
                                    "runstate",
                                    u64("state"),
                                    u64("state_entry_time"),
                                    u64("time_running"),
                                    u64("time_runnable"),
                                    u64("time_blocked"),
                                    u64("time_offline")),
                            u32("vcpu_id"),
                            struct("timer", u32("port"), u32("priority"), u64("expires_ns")),
                            u8("vector")));

    private XenStructs() {}
}
