package io.xenemu.kvm.iohub;

import static io.xenemu.kvm.ioctl.CTypes.struct;
import static io.xenemu.kvm.ioctl.CTypes.u16;
import static io.xenemu.kvm.ioctl.CTypes.u32;
import static io.xenemu.kvm.ioctl.CTypes.u64;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.StructLayout;
import java.util.List;

/// The structures and numbers of `xen_iohub_wire.h`. A test compares them with what a C compiler makes of that file.
final class IoHubLayouts {
    static final int MAGIC = 0x4248_4958;
    static final int VERSION = 1;
    static final int FEATURES = 0;
    static final int PIRQS = 24;
    static final int DESCRIPTORS = 2;

    static final int HELLO = 1;
    static final int CONNECT = 2;
    static final int RELEASE = 3;
    static final int COUNTS = 4;
    static final int SET_IRQFD = 16;
    static final int RESULT = 32;

    static final StructLayout XI_HEADER =
            struct("xi_header", u16("type"), u16("reserved"), u32("tag"));

    static final StructLayout XI_HELLO =
            message(
                    "xi_hello",
                    u32("magic"),
                    u32("version"),
                    u64("features"),
                    u32("domid"),
                    u32("reserved"));

    static final StructLayout XI_LINE = message("xi_line", u32("pirq"), u32("reserved"));

    static final StructLayout XI_COUNTS =
            message("xi_counts", u32("pirq"), u32("reserved"), u64("raises"), u64("reraises"));

    static final StructLayout XI_RESULT =
            message("xi_result", u32("result"), u32("version"), u64("features"));

    /// All of them.
    static final List<StructLayout> ALL =
            List.of(XI_HEADER, XI_HELLO, XI_LINE, XI_COUNTS, XI_RESULT);

    private IoHubLayouts() {}

    private static StructLayout message(String name, MemoryLayout... members) {
        MemoryLayout[] all = new MemoryLayout[members.length + 1];
        all[0] = XI_HEADER.withName("header");
        System.arraycopy(members, 0, all, 1, members.length);
        return struct(name, all);
    }
}
