package io.xenemu.kvm.abi.xen;

import io.xenemu.kvm.memory.GuestField;
import io.xenemu.kvm.memory.GuestField.U32;
import io.xenemu.kvm.memory.GuestStruct;
import io.xenemu.kvm.memory.StructBuilder;
import java.util.List;

/// Pages that front and back ends share.
///
/// Source: xen/include/public/io/console.h, io/xs_wire.h.
public final class RingStructs {
    private RingStructs() {}

    /// `struct xencons_interface`: the console page.
    public static final class Xencons {
        private static final StructBuilder S = GuestStruct.declare("struct xencons_interface");

        public static final GuestField.Bytes IN = S.bytes("in", 1024);
        public static final GuestField.Bytes OUT = S.bytes("out", 2048);
        public static final U32 IN_CONS = S.u32("in_cons");
        public static final U32 IN_PROD = S.u32("in_prod");
        public static final U32 OUT_CONS = S.u32("out_cons");
        public static final U32 OUT_PROD = S.u32("out_prod");

        public static final GuestStruct STRUCT = S.build();

        private Xencons() {}
    }

    /// `struct xenstore_domain_interface`: the XenStore page.
    public static final class Xenstore {
        private static final StructBuilder S =
                GuestStruct.declare("struct xenstore_domain_interface");

        public static final GuestField.Bytes REQ = S.bytes("req", 1024);
        public static final GuestField.Bytes RSP = S.bytes("rsp", 1024);
        public static final U32 REQ_CONS = S.u32("req_cons");
        public static final U32 REQ_PROD = S.u32("req_prod");
        public static final U32 RSP_CONS = S.u32("rsp_cons");
        public static final U32 RSP_PROD = S.u32("rsp_prod");
        public static final U32 SERVER_FEATURES = S.u32("server_features");
        public static final U32 CONNECTION = S.u32("connection");
        public static final U32 ERROR = S.u32("error");

        public static final GuestStruct STRUCT = S.build();

        private Xenstore() {}
    }

    /// Every structure of this file.
    public static List<GuestStruct> all() {
        return List.of(Xencons.STRUCT, Xenstore.STRUCT);
    }
}
