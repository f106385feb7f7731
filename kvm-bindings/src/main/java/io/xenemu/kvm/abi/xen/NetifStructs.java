package io.xenemu.kvm.abi.xen;

import io.xenemu.kvm.memory.FieldKind;
import io.xenemu.kvm.memory.GuestField;
import io.xenemu.kvm.memory.GuestField.S16;
import io.xenemu.kvm.memory.GuestField.U16;
import io.xenemu.kvm.memory.GuestField.U32;
import io.xenemu.kvm.memory.GuestField.U8;
import io.xenemu.kvm.memory.GuestStruct;
import io.xenemu.kvm.memory.StructBuilder;
import java.util.List;

/// Requests and answers in the rings of a network device; both widths have the same layout.
///
/// Source: xen/include/public/io/netif.h.
public final class NetifStructs {
    private NetifStructs() {}

    /// `struct netif_tx_request`: a part of a frame that the guest sends.
    public static final class TxRequest {
        private static final StructBuilder S = GuestStruct.declare("struct netif_tx_request");

        public static final U32 GREF = S.u32("gref");
        public static final U16 OFFSET = S.u16("offset");
        public static final U16 FLAGS = S.u16("flags");
        public static final U16 ID = S.u16("id");
        public static final U16 SIZE = S.u16("size");

        public static final GuestStruct STRUCT = S.build();

        private TxRequest() {}
    }

    /// `struct netif_extra_info`: more about a frame, in a slot of its own in either direction.
    public static final class ExtraInfo {
        private static final StructBuilder S = GuestStruct.declare("struct netif_extra_info");

        public static final U8 TYPE = S.u8("type");
        public static final U8 FLAGS = S.u8("flags");
        public static final U16 GSO_SIZE = S.union(FieldKind.U16).u16("u.gso.size");
        public static final U8 GSO_TYPE = S.u8("u.gso.type");
        public static final U8 GSO_PAD = S.u8("u.gso.pad");
        public static final U16 GSO_FEATURES = S.u16("u.gso.features");
        public static final GuestField.Bytes MCAST_ADDR = S.or().bytes("u.mcast.addr", 6);

        public static final GuestStruct STRUCT = S.build();

        private ExtraInfo() {}
    }

    /// `struct netif_tx_response`.
    public static final class TxResponse {
        private static final StructBuilder S = GuestStruct.declare("struct netif_tx_response");

        public static final U16 ID = S.u16("id");
        public static final S16 STATUS = S.s16("status");

        public static final GuestStruct STRUCT = S.build();

        private TxResponse() {}
    }

    /// `struct netif_rx_request`: a page that the guest posts for a frame to come.
    public static final class RxRequest {
        private static final StructBuilder S = GuestStruct.declare("struct netif_rx_request");

        public static final U16 ID = S.u16("id");
        public static final U16 PAD = S.u16("pad");
        public static final U32 GREF = S.u32("gref");

        public static final GuestStruct STRUCT = S.build();

        private RxRequest() {}
    }

    /// `struct netif_rx_response`: a part of a frame that the guest receives.
    public static final class RxResponse {
        private static final StructBuilder S = GuestStruct.declare("struct netif_rx_response");

        public static final U16 ID = S.u16("id");
        public static final U16 OFFSET = S.u16("offset");
        public static final U16 FLAGS = S.u16("flags");
        public static final S16 STATUS = S.s16("status");

        public static final GuestStruct STRUCT = S.build();

        private RxResponse() {}
    }

    /// `struct xen_netif_ctrl_request`.
    public static final class CtrlRequest {
        private static final StructBuilder S = GuestStruct.declare("struct xen_netif_ctrl_request");

        public static final U16 ID = S.u16("id");
        public static final U16 TYPE = S.u16("type");
        public static final GuestField.Array DATA = S.array("data", FieldKind.U32, 3);

        public static final GuestStruct STRUCT = S.build();

        private CtrlRequest() {}
    }

    /// `struct xen_netif_ctrl_response`.
    public static final class CtrlResponse {
        private static final StructBuilder S =
                GuestStruct.declare("struct xen_netif_ctrl_response");

        public static final U16 ID = S.u16("id");
        public static final U16 TYPE = S.u16("type");
        public static final U32 STATUS = S.u32("status");
        public static final U32 DATA = S.u32("data");

        public static final GuestStruct STRUCT = S.build();

        private CtrlResponse() {}
    }

    /// Every structure of this file.
    public static List<GuestStruct> all() {
        return List.of(
                TxRequest.STRUCT,
                ExtraInfo.STRUCT,
                TxResponse.STRUCT,
                RxRequest.STRUCT,
                RxResponse.STRUCT,
                CtrlRequest.STRUCT,
                CtrlResponse.STRUCT);
    }
}
