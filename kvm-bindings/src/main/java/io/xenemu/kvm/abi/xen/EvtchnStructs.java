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

/// Arguments of `HYPERVISOR_event_channel_op`, one per `EVTCHNOP_*`.
///
/// Source: xen/include/public/event_channel.h.
public final class EvtchnStructs {
    private EvtchnStructs() {}

    /// `struct evtchn_alloc_unbound`: a port of `dom` that `remote_dom` may bind to.
    public static final class AllocUnbound {
        private static final StructBuilder S = GuestStruct.declare("struct evtchn_alloc_unbound");

        public static final U16 DOM = S.u16("dom");
        public static final U16 REMOTE_DOM = S.u16("remote_dom");

        /// OUT.
        public static final U32 PORT = S.u32("port");

        public static final GuestStruct STRUCT = S.build();

        private AllocUnbound() {}
    }

    /// `struct evtchn_bind_interdomain`: a local port connected to an unbound one.
    public static final class BindInterdomain {
        private static final StructBuilder S =
                GuestStruct.declare("struct evtchn_bind_interdomain");

        public static final U16 REMOTE_DOM = S.u16("remote_dom");
        public static final U32 REMOTE_PORT = S.u32("remote_port");

        /// OUT.
        public static final U32 LOCAL_PORT = S.u32("local_port");

        public static final GuestStruct STRUCT = S.build();

        private BindInterdomain() {}
    }

    /// `struct evtchn_bind_virq`: a port for a virtual interrupt line.
    public static final class BindVirq {
        private static final StructBuilder S = GuestStruct.declare("struct evtchn_bind_virq");

        public static final U32 VIRQ = S.u32("virq");
        public static final U32 VCPU = S.u32("vcpu");

        /// OUT.
        public static final U32 PORT = S.u32("port");

        public static final GuestStruct STRUCT = S.build();

        private BindVirq() {}
    }

    /// `struct evtchn_bind_pirq`: a port for a physical interrupt line.
    public static final class BindPirq {
        private static final StructBuilder S = GuestStruct.declare("struct evtchn_bind_pirq");

        public static final U32 PIRQ = S.u32("pirq");
        public static final U32 FLAGS = S.u32("flags");

        /// OUT.
        public static final U32 PORT = S.u32("port");

        public static final GuestStruct STRUCT = S.build();

        private BindPirq() {}
    }

    /// `struct evtchn_bind_ipi`: a port for inter-processor interrupts.
    public static final class BindIpi {
        private static final StructBuilder S = GuestStruct.declare("struct evtchn_bind_ipi");

        public static final U32 VCPU = S.u32("vcpu");

        /// OUT.
        public static final U32 PORT = S.u32("port");

        public static final GuestStruct STRUCT = S.build();

        private BindIpi() {}
    }

    /// `struct evtchn_close`: closes a port.
    public static final class Close {
        private static final StructBuilder S = GuestStruct.declare("struct evtchn_close");

        public static final U32 PORT = S.u32("port");

        public static final GuestStruct STRUCT = S.build();

        private Close() {}
    }

    /// `struct evtchn_send`: notifies the other end of a port.
    public static final class Send {
        private static final StructBuilder S = GuestStruct.declare("struct evtchn_send");

        public static final U32 PORT = S.u32("port");

        public static final GuestStruct STRUCT = S.build();

        private Send() {}
    }

    /// `struct evtchn_status`: the binding of a port.
    public static final class Status {
        private static final StructBuilder S = GuestStruct.declare("struct evtchn_status");

        public static final U16 DOM = S.u16("dom");
        public static final U32 PORT = S.u32("port");

        /// OUT, as the rest.
        public static final U32 STATUS = S.u32("status");

        public static final U32 VCPU = S.u32("vcpu");
        public static final U16 U_UNBOUND_DOM = S.union(FieldKind.U32).u16("u.unbound.dom");
        public static final U16 U_INTERDOMAIN_DOM = S.or().u16("u.interdomain.dom");
        public static final U32 U_INTERDOMAIN_PORT = S.u32("u.interdomain.port");
        public static final U32 U_PIRQ = S.or().u32("u.pirq");
        public static final U32 U_VIRQ = S.or().u32("u.virq");

        public static final GuestStruct STRUCT = S.build();

        private Status() {}
    }

    /// `struct evtchn_bind_vcpu`: changes the vCPU that a port notifies.
    public static final class BindVcpu {
        private static final StructBuilder S = GuestStruct.declare("struct evtchn_bind_vcpu");

        public static final U32 PORT = S.u32("port");
        public static final U32 VCPU = S.u32("vcpu");

        public static final GuestStruct STRUCT = S.build();

        private BindVcpu() {}
    }

    /// `struct evtchn_unmask`: unmasks a port and delivers what is pending.
    public static final class Unmask {
        private static final StructBuilder S = GuestStruct.declare("struct evtchn_unmask");

        public static final U32 PORT = S.u32("port");

        public static final GuestStruct STRUCT = S.build();

        private Unmask() {}
    }

    /// `struct evtchn_reset`: closes all ports of a domain.
    public static final class Reset {
        private static final StructBuilder S = GuestStruct.declare("struct evtchn_reset");

        public static final U16 DOM = S.u16("dom");

        public static final GuestStruct STRUCT = S.build();

        private Reset() {}
    }

    /// `struct evtchn_init_control`: switches to the FIFO ABI, per vCPU.
    public static final class InitControl {
        private static final StructBuilder S = GuestStruct.declare("struct evtchn_init_control");

        public static final U64 CONTROL_GFN = S.u64("control_gfn");
        public static final U32 OFFSET = S.u32("offset");
        public static final U32 VCPU = S.u32("vcpu");

        /// OUT.
        public static final U8 LINK_BITS = S.u8("link_bits");

        public static final GuestField.Bytes PAD = S.bytes("_pad", 7);

        public static final GuestStruct STRUCT = S.build();

        private InitControl() {}
    }

    /// `struct evtchn_expand_array`: adds a page of event words.
    public static final class ExpandArray {
        private static final StructBuilder S = GuestStruct.declare("struct evtchn_expand_array");

        public static final U64 ARRAY_GFN = S.u64("array_gfn");

        public static final GuestStruct STRUCT = S.build();

        private ExpandArray() {}
    }

    /// `struct evtchn_set_priority`: FIFO priority of a port.
    public static final class SetPriority {
        private static final StructBuilder S = GuestStruct.declare("struct evtchn_set_priority");

        public static final U32 PORT = S.u32("port");
        public static final U32 PRIORITY = S.u32("priority");

        public static final GuestStruct STRUCT = S.build();

        private SetPriority() {}
    }

    /// `struct evtchn_fifo_control_block`: in guest memory, one per vCPU.
    public static final class FifoControlBlock {
        private static final StructBuilder S =
                GuestStruct.declare("struct evtchn_fifo_control_block");

        public static final U32 READY = S.u32("ready");
        public static final U32 RSVD = S.u32("_rsvd");
        public static final GuestField.Array HEAD = S.array("head", FieldKind.U32, 16);

        public static final GuestStruct STRUCT = S.build();

        private FifoControlBlock() {}
    }

    /// Every structure of this file.
    public static List<GuestStruct> all() {
        return List.of(
                AllocUnbound.STRUCT,
                BindInterdomain.STRUCT,
                BindVirq.STRUCT,
                BindPirq.STRUCT,
                BindIpi.STRUCT,
                Close.STRUCT,
                Send.STRUCT,
                Status.STRUCT,
                BindVcpu.STRUCT,
                Unmask.STRUCT,
                Reset.STRUCT,
                InitControl.STRUCT,
                ExpandArray.STRUCT,
                SetPriority.STRUCT,
                FifoControlBlock.STRUCT);
    }
}
