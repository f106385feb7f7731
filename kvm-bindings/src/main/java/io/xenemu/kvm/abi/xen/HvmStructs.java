package io.xenemu.kvm.abi.xen;

import io.xenemu.kvm.memory.FieldKind;
import io.xenemu.kvm.memory.GuestField;
import io.xenemu.kvm.memory.GuestField.U16;
import io.xenemu.kvm.memory.GuestField.U32;
import io.xenemu.kvm.memory.GuestField.U64;
import io.xenemu.kvm.memory.GuestField.U8;
import io.xenemu.kvm.memory.GuestStruct;
import io.xenemu.kvm.memory.StructBuilder;
import java.util.List;

/// Arguments of `HYPERVISOR_hvm_op`.
///
/// Source: xen/include/public/hvm/hvm_op.h, hvm/params.h.
public final class HvmStructs {
    private HvmStructs() {}

    /// `struct xen_hvm_param`: HVMOP_set_param and HVMOP_get_param.
    public static final class Param {
        private static final StructBuilder S = GuestStruct.declare("struct xen_hvm_param");

        public static final U16 DOMID = S.u16("domid");
        public static final U16 PAD = S.u16("pad");

        /// HVM_PARAM_*.
        public static final U32 INDEX = S.u32("index");

        /// OUT for get.
        public static final U64 VALUE = S.u64("value");

        public static final GuestStruct STRUCT = S.build();

        private Param() {}
    }

    /// `struct xen_hvm_pagetable_dying`: HVMOP_pagetable_dying.
    public static final class PagetableDying {
        private static final StructBuilder S =
                GuestStruct.declare("struct xen_hvm_pagetable_dying");

        public static final U16 DOMID = S.u16("domid");
        public static final GuestField.Array PAD = S.array("pad", FieldKind.U16, 3);
        public static final U64 GPA = S.u64("gpa");

        public static final GuestStruct STRUCT = S.build();

        private PagetableDying() {}
    }

    /// `struct xen_hvm_get_time`: HVMOP_get_time.
    public static final class GetTime {
        private static final StructBuilder S = GuestStruct.declare("struct xen_hvm_get_time");

        /// OUT: system time in ns.
        public static final U64 NOW = S.u64("now");

        public static final GuestStruct STRUCT = S.build();

        private GetTime() {}
    }

    /// `struct xen_hvm_xentrace`: HVMOP_xentrace.
    public static final class Xentrace {
        /// `TRACE_EXTRA_MAX` words.
        public static final int EXTRA_BYTES_MAX = 28;

        private static final StructBuilder S = GuestStruct.declare("struct xen_hvm_xentrace");

        public static final U16 EVENT = S.u16("event");
        public static final U16 EXTRA_BYTES = S.u16("extra_bytes");
        public static final GuestField.Bytes EXTRA = S.bytes("extra", EXTRA_BYTES_MAX);

        public static final GuestStruct STRUCT = S.build();

        private Xentrace() {}
    }

    /// `struct xen_hvm_get_mem_type`: HVMOP_get_mem_type.
    public static final class GetMemType {
        private static final StructBuilder S = GuestStruct.declare("struct xen_hvm_get_mem_type");

        public static final U16 DOMID = S.u16("domid");

        /// OUT: HVMMEM_*.
        public static final U16 MEM_TYPE = S.u16("mem_type");

        public static final GuestField.Array PAD = S.array("pad", FieldKind.U16, 2);
        public static final U64 PFN = S.u64("pfn");

        public static final GuestStruct STRUCT = S.build();

        private GetMemType() {}
    }

    /// `struct xen_hvm_evtchn_upcall_vector`: HVMOP_set_evtchn_upcall_vector.
    public static final class EvtchnUpcallVector {
        private static final StructBuilder S =
                GuestStruct.declare("struct xen_hvm_evtchn_upcall_vector");

        public static final U32 VCPU = S.u32("vcpu");
        public static final U8 VECTOR = S.u8("vector");

        public static final GuestStruct STRUCT = S.build();

        private EvtchnUpcallVector() {}
    }

    /// Every structure of this file.
    public static List<GuestStruct> all() {
        return List.of(
                Param.STRUCT,
                PagetableDying.STRUCT,
                GetTime.STRUCT,
                Xentrace.STRUCT,
                GetMemType.STRUCT,
                EvtchnUpcallVector.STRUCT);
    }
}
