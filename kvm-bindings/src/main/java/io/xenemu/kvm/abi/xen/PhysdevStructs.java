package io.xenemu.kvm.abi.xen;

import io.xenemu.kvm.memory.GuestField.S32;
import io.xenemu.kvm.memory.GuestField.U16;
import io.xenemu.kvm.memory.GuestField.U32;
import io.xenemu.kvm.memory.GuestField.U64;
import io.xenemu.kvm.memory.GuestStruct;
import io.xenemu.kvm.memory.StructBuilder;
import java.util.List;

/// Arguments of `HYPERVISOR_physdev_op` that HVM guests use.
///
/// Source: xen/include/public/physdev.h.
public final class PhysdevStructs {
    private PhysdevStructs() {}

    /// `struct physdev_eoi`: PHYSDEVOP_eoi.
    public static final class Eoi {
        private static final StructBuilder S = GuestStruct.declare("struct physdev_eoi");

        public static final U32 IRQ = S.u32("irq");

        public static final GuestStruct STRUCT = S.build();

        private Eoi() {}
    }

    /// `struct physdev_irq_status_query`: PHYSDEVOP_irq_status_query.
    public static final class IrqStatusQuery {
        private static final StructBuilder S =
                GuestStruct.declare("struct physdev_irq_status_query");

        public static final U32 IRQ = S.u32("irq");

        /// OUT.
        public static final U32 FLAGS = S.u32("flags");

        public static final GuestStruct STRUCT = S.build();

        private IrqStatusQuery() {}
    }

    /// `struct physdev_map_pirq`: PHYSDEVOP_map_pirq.
    public static final class MapPirq {
        private static final StructBuilder S = GuestStruct.declare("struct physdev_map_pirq");

        public static final U16 DOMID = S.u16("domid");
        public static final S32 TYPE = S.s32("type");
        public static final S32 INDEX = S.s32("index");
        public static final S32 PIRQ = S.s32("pirq");
        public static final S32 BUS = S.s32("bus");
        public static final S32 DEVFN = S.s32("devfn");
        public static final S32 ENTRY_NR = S.s32("entry_nr");
        public static final U64 TABLE_BASE = S.u64("table_base");

        public static final GuestStruct STRUCT = S.build();

        private MapPirq() {}
    }

    /// `struct physdev_unmap_pirq`: PHYSDEVOP_unmap_pirq.
    public static final class UnmapPirq {
        private static final StructBuilder S = GuestStruct.declare("struct physdev_unmap_pirq");

        public static final U16 DOMID = S.u16("domid");
        public static final S32 PIRQ = S.s32("pirq");

        public static final GuestStruct STRUCT = S.build();

        private UnmapPirq() {}
    }

    /// `struct physdev_get_free_pirq`: PHYSDEVOP_get_free_pirq.
    public static final class GetFreePirq {
        private static final StructBuilder S = GuestStruct.declare("struct physdev_get_free_pirq");

        public static final S32 TYPE = S.s32("type");

        /// OUT.
        public static final U32 PIRQ = S.u32("pirq");

        public static final GuestStruct STRUCT = S.build();

        private GetFreePirq() {}
    }

    /// Every structure of this file.
    public static List<GuestStruct> all() {
        return List.of(
                Eoi.STRUCT,
                IrqStatusQuery.STRUCT,
                MapPirq.STRUCT,
                UnmapPirq.STRUCT,
                GetFreePirq.STRUCT);
    }
}
