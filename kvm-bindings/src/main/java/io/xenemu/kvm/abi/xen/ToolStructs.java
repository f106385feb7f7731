package io.xenemu.kvm.abi.xen;

import io.xenemu.kvm.memory.FieldKind;
import io.xenemu.kvm.memory.GuestField;
import io.xenemu.kvm.memory.GuestField.Handle;
import io.xenemu.kvm.memory.GuestField.U16;
import io.xenemu.kvm.memory.GuestField.U32;
import io.xenemu.kvm.memory.GuestField.Ulong;
import io.xenemu.kvm.memory.GuestStruct;
import io.xenemu.kvm.memory.StructBuilder;
import java.util.List;

/// Heads of the arguments of hypercalls for toolstacks and device models: as much as Xen looks at before it refuses
/// them to a guest. The rest of each is a union of that size.
///
/// Source: xen/include/public/domctl.h, sysctl.h, platform.h, hvm/dm_op.h.
public final class ToolStructs {
    /// The size of the unions (`pad`).
    private static final int UNION_BYTES = 128;

    private ToolStructs() {}

    /// `struct xen_domctl`.
    public static final class Domctl {
        private static final StructBuilder S = GuestStruct.declare("struct xen_domctl");

        public static final U32 CMD = S.u32("cmd");
        public static final U32 INTERFACE_VERSION = S.u32("interface_version");
        public static final U16 DOMAIN = S.u16("domain");
        public static final GuestField.Array PAD = S.array("_pad", FieldKind.U16, 3);
        public static final GuestField.Bytes U = S.bytes("u", UNION_BYTES);

        public static final GuestStruct STRUCT = S.build();

        private Domctl() {}
    }

    /// `struct xen_sysctl`.
    public static final class Sysctl {
        private static final StructBuilder S = GuestStruct.declare("struct xen_sysctl");

        public static final U32 CMD = S.u32("cmd");
        public static final U32 INTERFACE_VERSION = S.u32("interface_version");
        public static final GuestField.Bytes U = S.bytes("u", UNION_BYTES);

        public static final GuestStruct STRUCT = S.build();

        private Sysctl() {}
    }

    /// `struct xen_platform_op`.
    public static final class PlatformOp {
        private static final StructBuilder S = GuestStruct.declare("struct xen_platform_op");

        public static final U32 CMD = S.u32("cmd");
        public static final U32 INTERFACE_VERSION = S.u32("interface_version");
        public static final GuestField.Bytes U = S.bytes("u", UNION_BYTES);

        public static final GuestStruct STRUCT = S.build();

        private PlatformOp() {}
    }

    /// `struct xen_dm_op_buf`: an element of an array.
    public static final class DmOpBuf {
        private static final StructBuilder S = GuestStruct.declare("struct xen_dm_op_buf");

        public static final Handle H = S.handle("h");
        public static final Ulong SIZE = S.ulong("size");

        public static final GuestStruct STRUCT = S.build();

        private DmOpBuf() {}
    }

    /// Every structure of this file.
    public static List<GuestStruct> all() {
        return List.of(Domctl.STRUCT, Sysctl.STRUCT, PlatformOp.STRUCT, DmOpBuf.STRUCT);
    }
}
