package io.xenemu.kvm.ioctl;

import static io.xenemu.kvm.ioctl.CTypes.anonymousUnion;
import static io.xenemu.kvm.ioctl.CTypes.array;
import static io.xenemu.kvm.ioctl.CTypes.bytes;
import static io.xenemu.kvm.ioctl.CTypes.pad;
import static io.xenemu.kvm.ioctl.CTypes.struct;
import static io.xenemu.kvm.ioctl.CTypes.u16;
import static io.xenemu.kvm.ioctl.CTypes.u32;
import static io.xenemu.kvm.ioctl.CTypes.u64;
import static io.xenemu.kvm.ioctl.CTypes.u8;
import static io.xenemu.kvm.ioctl.CTypes.union;

import java.lang.foreign.StructLayout;

/// `struct kvm_run` of `linux/kvm.h` on x86-64, with the exits this project handles.
final class RunStructs {
    static final StructLayout KVM_SYNC_REGS =
            struct(
                    "kvm_sync_regs",
                    VcpuStructs.KVM_REGS.withName("regs"),
                    VcpuStructs.KVM_SREGS.withName("sregs"),
                    VcpuStructs.KVM_VCPU_EVENTS.withName("events"));

    static final StructLayout KVM_XEN_EXIT =
            struct(
                    "kvm_xen_exit",
                    u32("type"),
                    pad(4),
                    union(
                            "u",
                            struct(
                                    "hcall",
                                    u32("longmode"),
                                    u32("cpl"),
                                    u64("input"),
                                    u64("result"),
                                    array("params", 6, u64("")))));

    static final StructLayout KVM_RUN =
            struct(
                    "kvm_run",
                    u8("request_interrupt_window"),
                    u8("immediate_exit"),
                    pad(6),
                    u32("exit_reason"),
                    u8("ready_for_interrupt_injection"),
                    u8("if_flag"),
                    u16("flags"),
                    u64("cr8"),
                    u64("apic_base"),
                    anonymousUnion(
                            struct("hw", u64("hardware_exit_reason")),
                            struct(
                                    "fail_entry",
                                    u64("hardware_entry_failure_reason"),
                                    u32("cpu"),
                                    pad(4)),
                            struct(
                                    "io",
                                    u8("direction"),
                                    u8("size"),
                                    u16("port"),
                                    u32("count"),
                                    u64("data_offset")),
                            struct(
                                    "mmio",
                                    u64("phys_addr"),
                                    bytes("data", 8),
                                    u32("len"),
                                    u8("is_write"),
                                    pad(3)),
                            struct(
                                    "internal",
                                    u32("suberror"),
                                    u32("ndata"),
                                    array("data", 16, u64(""))),
                            struct(
                                    "system_event",
                                    u32("type"),
                                    u32("ndata"),
                                    array("data", 16, u64(""))),
                            struct("eoi", u8("vector")),
                            struct(
                                    "msr",
                                    u8("error"),
                                    pad(7),
                                    u32("reason"),
                                    u32("index"),
                                    u64("data")),
                            KVM_XEN_EXIT.withName("xen"),
                            bytes("padding", 256)),
                    u64("kvm_valid_regs"),
                    u64("kvm_dirty_regs"),
                    union("s", KVM_SYNC_REGS.withName("regs"), bytes("padding", 2048)));

    private RunStructs() {}
}
