package io.xenemu.kvm.ioctl;

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

/// Structures of the VM ioctls, `linux/kvm.h` and `asm/kvm.h` on x86-64: memory, clock, capabilities and interrupts.
final class VmStructs {
    static final StructLayout KVM_USERSPACE_MEMORY_REGION =
            struct(
                    "kvm_userspace_memory_region",
                    u32("slot"),
                    u32("flags"),
                    u64("guest_phys_addr"),
                    u64("memory_size"),
                    u64("userspace_addr"));

    static final StructLayout KVM_DIRTY_LOG =
            struct("kvm_dirty_log", u32("slot"), pad(4), u64("dirty_bitmap"));

    static final StructLayout KVM_CLEAR_DIRTY_LOG =
            struct(
                    "kvm_clear_dirty_log",
                    u32("slot"),
                    u32("num_pages"),
                    u64("first_page"),
                    u64("dirty_bitmap"));

    static final StructLayout KVM_CLOCK_DATA =
            struct(
                    "kvm_clock_data",
                    u64("clock"),
                    u32("flags"),
                    u32("pad0"),
                    u64("realtime"),
                    u64("host_tsc"),
                    array("pad", 4, u32("")));

    static final StructLayout KVM_ENABLE_CAP =
            struct(
                    "kvm_enable_cap",
                    u32("cap"),
                    u32("flags"),
                    array("args", 4, u64("")),
                    bytes("pad", 64));

    static final StructLayout KVM_MSR_FILTER_RANGE =
            struct(
                    "kvm_msr_filter_range",
                    u32("flags"),
                    u32("nmsrs"),
                    u32("base"),
                    pad(4),
                    u64("bitmap"));

    /// Has room for sixteen ranges; the kernel ignores those without MSRs.
    static final StructLayout KVM_MSR_FILTER =
            struct(
                    "kvm_msr_filter",
                    u32("flags"),
                    pad(4),
                    array("ranges", 16, KVM_MSR_FILTER_RANGE));

    static final StructLayout KVM_IRQ_LEVEL = struct("kvm_irq_level", u32("irq"), u32("level"));

    static final StructLayout KVM_MSI =
            struct(
                    "kvm_msi",
                    u32("address_lo"),
                    u32("address_hi"),
                    u32("data"),
                    u32("flags"),
                    u32("devid"),
                    bytes("pad", 12));

    static final StructLayout KVM_IRQFD =
            struct(
                    "kvm_irqfd",
                    u32("fd"),
                    u32("gsi"),
                    u32("flags"),
                    u32("resamplefd"),
                    bytes("pad", 16));

    static final StructLayout KVM_IOEVENTFD =
            struct(
                    "kvm_ioeventfd",
                    u64("datamatch"),
                    u64("addr"),
                    u32("len"),
                    u32("fd"),
                    u32("flags"),
                    bytes("pad", 36));

    /// Header of KVM_SET_GSI_ROUTING's argument; the entries follow it.
    static final StructLayout KVM_IRQ_ROUTING =
            struct("kvm_irq_routing", u32("nr"), u32("flags"), array("entries", 0, u64("")));

    static final StructLayout KVM_IRQ_ROUTING_ENTRY =
            struct(
                    "kvm_irq_routing_entry",
                    u32("gsi"),
                    u32("type"),
                    u32("flags"),
                    u32("pad"),
                    union(
                            "u",
                            struct("irqchip", u32("irqchip"), u32("pin")),
                            struct(
                                    "msi",
                                    u32("address_lo"),
                                    u32("address_hi"),
                                    u32("data"),
                                    u32("pad")),
                            XenStructs.KVM_IRQ_ROUTING_XEN_EVTCHN.withName("xen_evtchn"),
                            array("pad", 8, u32(""))));

    /// `chip` is one i8259, or an I/O APIC, as opaque bytes of saved state.
    static final StructLayout KVM_IRQCHIP =
            struct("kvm_irqchip", u32("chip_id"), u32("pad"), bytes("chip", 512));

    static final StructLayout KVM_PIT_CONFIG =
            struct("kvm_pit_config", u32("flags"), array("pad", 15, u32("")));

    static final StructLayout KVM_PIT_CHANNEL_STATE =
            struct(
                    "kvm_pit_channel_state",
                    u32("count"),
                    u16("latched_count"),
                    u8("count_latched"),
                    u8("status_latched"),
                    u8("status"),
                    u8("read_state"),
                    u8("write_state"),
                    u8("write_latch"),
                    u8("rw_mode"),
                    u8("mode"),
                    u8("bcd"),
                    u8("gate"),
                    u64("count_load_time"));

    static final StructLayout KVM_PIT_STATE2 =
            struct(
                    "kvm_pit_state2",
                    array("channels", 3, KVM_PIT_CHANNEL_STATE),
                    u32("flags"),
                    array("reserved", 9, u32("")));

    private VmStructs() {}
}
