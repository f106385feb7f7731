package io.xenemu.kvm.attach;

import static io.xenemu.kvm.ioctl.CTypes.array;
import static io.xenemu.kvm.ioctl.CTypes.struct;
import static io.xenemu.kvm.ioctl.CTypes.u16;
import static io.xenemu.kvm.ioctl.CTypes.u32;
import static io.xenemu.kvm.ioctl.CTypes.u64;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.StructLayout;
import java.util.List;

/// The structures and numbers of `xen_attach_wire.h`, the protocol of attached VMMs. A test compares them with what a C
/// compiler makes of that file.
final class AttachLayouts {
    static final int MAGIC = 0x5441_5858;
    static final int VERSION = 1;
    static final int MAX_DESCRIPTORS = 8;
    static final int MAX_LINKS = 4;
    static final int MAX_RANGES = 16;
    static final int MAX_RAM_RANGES = 4;
    static final long SPARE_BYTES = 64L << 20;

    static final int HELLO = 1;
    static final int RAM = 2;
    static final int VCPU = 3;
    static final int START = 4;
    static final int RESET = 5;
    static final int IOCTL = 16;
    static final int MEMORY = 17;
    static final int FORGET = 18;
    static final int MAP = 19;
    static final int UNMAP = 20;
    static final int ROUTES = 21;
    static final int CLAIM = 22;
    static final int UNPLUG = 23;
    static final int KICK = 24;
    static final int END = 25;
    static final int RESULT = 32;

    static final int VALUE = 0;
    static final int STRUCT = 1;
    static final int ADDRESS = 0;
    static final int DESCRIPTOR = 1;
    static final int VM = -1;
    static final int MAP_READ_ONLY = 1;
    static final int MAP_RAM = 2;

    static final int TURN_VMM = 0;
    static final int TURN_SERVICE = 1;
    static final int TURN_CALL = 2;
    static final int EVENT_EXIT = 1;
    static final int EVENT_KICKED = 2;
    static final int EVENT_FAULT = 3;
    static final int EXCHANGE_BYTES = 65536;
    static final int EXCHANGE_DATA = 4096;

    static final StructLayout XA_HEADER =
            struct("xa_header", u16("type"), u16("reserved"), u32("tag"));

    static final StructLayout XA_HELLO =
            message(
                    "xa_hello",
                    u32("magic"),
                    u32("version"),
                    u64("features"),
                    u32("settings_bytes"),
                    u32("reserved"));

    static final StructLayout XA_WELCOME =
            struct("xa_welcome", u32("version"), u32("reserved"), u64("features"));

    static final StructLayout XA_RAM_RANGE =
            struct(
                    "xa_ram_range",
                    u64("guest_address"),
                    u64("bytes"),
                    u64("address"),
                    u64("offset"));

    static final StructLayout XA_RAM =
            message(
                    "xa_ram",
                    u32("ranges"),
                    u32("reserved"),
                    array("range", MAX_RAM_RANGES, XA_RAM_RANGE));

    static final StructLayout XA_VCPU =
            message("xa_vcpu", u32("vcpu"), u32("apic_id"), u32("run_bytes"), u32("reserved"));

    static final StructLayout XA_PLAIN = message("xa_plain");

    static final StructLayout XA_LINK =
            struct("xa_link", u32("kind"), u32("at"), u32("target"), u32("bytes"));

    static final StructLayout XA_CALL =
            struct(
                    "xa_call",
                    u32("request"),
                    u32("kind"),
                    u64("value"),
                    u32("bytes"),
                    u32("links"),
                    array("link", MAX_LINKS, XA_LINK));

    static final StructLayout XA_IOCTL =
            message("xa_ioctl", u32("vcpu"), u32("reserved"), XA_CALL.withName("call"));

    static final StructLayout XA_MEMORY =
            message("xa_memory", u32("memory"), u32("reserved"), u64("bytes"));

    static final StructLayout XA_FORGET = message("xa_forget", u32("memory"), u32("reserved"));

    static final StructLayout XA_MAP =
            message(
                    "xa_map",
                    u32("memory"),
                    u32("flags"),
                    u64("address"),
                    u64("offset"),
                    u64("bytes"));

    static final StructLayout XA_UNMAP = message("xa_unmap", u64("address"), u64("bytes"));

    static final StructLayout XA_ROUTES = message("xa_routes", u32("count"), u32("reserved"));

    static final StructLayout XA_RANGE = struct("xa_range", u32("first"), u32("count"));

    static final StructLayout XA_CLAIM =
            message(
                    "xa_claim",
                    u32("ports"),
                    u32("msrs"),
                    array("port", MAX_RANGES, XA_RANGE),
                    array("msr", MAX_RANGES, XA_RANGE));

    static final StructLayout XA_UNPLUG = message("xa_unplug", u32("mask"), u32("reserved"));

    static final StructLayout XA_KICK = message("xa_kick", u32("vcpu"), u32("reserved"));

    static final StructLayout XA_END = message("xa_end", u32("reason"), u32("reserved"));

    static final StructLayout XA_RESULT =
            message("xa_result", u32("result"), u32("bytes"), u64("value"));

    static final StructLayout XA_EXCHANGE =
            struct(
                    "xa_exchange",
                    u32("turn"),
                    u32("event"),
                    u32("kicked"),
                    u32("vmm_sleeps"),
                    u32("service_sleeps"),
                    u32("spin_us"),
                    u32("result"),
                    u32("ended"),
                    XA_CALL.withName("call"));

    /// All of them.
    static final List<StructLayout> ALL =
            List.of(
                    XA_HEADER,
                    XA_HELLO,
                    XA_WELCOME,
                    XA_RAM_RANGE,
                    XA_RAM,
                    XA_VCPU,
                    XA_PLAIN,
                    XA_LINK,
                    XA_CALL,
                    XA_IOCTL,
                    XA_MEMORY,
                    XA_FORGET,
                    XA_MAP,
                    XA_UNMAP,
                    XA_ROUTES,
                    XA_RANGE,
                    XA_CLAIM,
                    XA_UNPLUG,
                    XA_KICK,
                    XA_END,
                    XA_RESULT,
                    XA_EXCHANGE);

    private AttachLayouts() {}

    private static StructLayout message(String name, MemoryLayout... members) {
        MemoryLayout[] all = new MemoryLayout[members.length + 1];
        all[0] = XA_HEADER.withName("header");
        System.arraycopy(members, 0, all, 1, members.length);
        return struct(name, all);
    }
}
