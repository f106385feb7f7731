package io.xenemu.kvm.abi.xen;

import io.xenemu.kvm.memory.FieldKind;
import io.xenemu.kvm.memory.GuestField.Handle;
import io.xenemu.kvm.memory.GuestField.U16;
import io.xenemu.kvm.memory.GuestField.U32;
import io.xenemu.kvm.memory.GuestField.U64;
import io.xenemu.kvm.memory.GuestField.U8;
import io.xenemu.kvm.memory.GuestField.Ulong;
import io.xenemu.kvm.memory.GuestStruct;
import io.xenemu.kvm.memory.StructBuilder;
import java.util.List;

/// Arguments of `HYPERVISOR_memory_op`.
///
/// Source: xen/include/public/memory.h, hvm/e820.h.
public final class MemoryStructs {
    private MemoryStructs() {}

    /// `struct xen_memory_reservation`: XENMEM_increase/decrease_reservation, XENMEM_populate_physmap.
    public static final class Reservation {
        private static final StructBuilder S = GuestStruct.declare("struct xen_memory_reservation");

        /// Array of `xen_pfn_t`.
        public static final Handle EXTENT_START = S.handle("extent_start");

        public static final Ulong NR_EXTENTS = S.ulong("nr_extents");
        public static final U32 EXTENT_ORDER = S.u32("extent_order");
        public static final U32 MEM_FLAGS = S.u32("mem_flags");
        public static final U16 DOMID = S.u16("domid");

        public static final GuestStruct STRUCT = S.build();

        private Reservation() {}
    }

    /// `struct xen_memory_exchange`: XENMEM_exchange.
    public static final class Exchange {
        private static final StructBuilder S = GuestStruct.declare("struct xen_memory_exchange");

        /// Array of `xen_pfn_t`.
        public static final Handle IN_EXTENT_START = S.handle("in.extent_start");

        public static final Ulong IN_NR_EXTENTS = S.ulong("in.nr_extents");
        public static final U32 IN_EXTENT_ORDER = S.u32("in.extent_order");
        public static final U32 IN_MEM_FLAGS = S.u32("in.mem_flags");
        public static final U16 IN_DOMID = S.u16("in.domid");

        /// Array of `xen_pfn_t`.
        public static final Handle OUT_EXTENT_START =
                S.align(FieldKind.ULONG).handle("out.extent_start");

        public static final Ulong OUT_NR_EXTENTS = S.ulong("out.nr_extents");
        public static final U32 OUT_EXTENT_ORDER = S.u32("out.extent_order");
        public static final U32 OUT_MEM_FLAGS = S.u32("out.mem_flags");
        public static final U16 OUT_DOMID = S.u16("out.domid");

        /// IN and OUT.
        public static final Ulong NR_EXCHANGED = S.ulong("nr_exchanged");

        public static final GuestStruct STRUCT = S.build();

        private Exchange() {}
    }

    /// `struct xen_memory_domain`: XENMEM_current_reservation, XENMEM_maximum_reservation, XENMEM_maximum_gpfn.
    public static final class Domain {
        private static final StructBuilder S = GuestStruct.declare("struct xen_memory_domain");

        public static final U16 DOMID = S.u16("domid");

        public static final GuestStruct STRUCT = S.build();

        private Domain() {}
    }

    /// `struct xen_add_to_physmap`: XENMEM_add_to_physmap.
    public static final class AddToPhysmap {
        private static final StructBuilder S = GuestStruct.declare("struct xen_add_to_physmap");

        public static final U16 DOMID = S.u16("domid");

        /// Pages, for XENMAPSPACE_gmfn_range.
        public static final U16 SIZE = S.u16("size");

        /// XENMAPSPACE_*.
        public static final U32 SPACE = S.u32("space");

        public static final Ulong IDX = S.ulong("idx");
        public static final Ulong GPFN = S.ulong("gpfn");

        public static final GuestStruct STRUCT = S.build();

        private AddToPhysmap() {}
    }

    /// `struct xen_add_to_physmap_batch`: XENMEM_add_to_physmap_batch.
    public static final class AddToPhysmapBatch {
        private static final StructBuilder S =
                GuestStruct.declare("struct xen_add_to_physmap_batch");

        public static final U16 DOMID = S.u16("domid");
        public static final U16 SPACE = S.u16("space");
        public static final U16 SIZE = S.u16("size");
        public static final U16 U_FOREIGN_DOMID = S.union(FieldKind.U16).u16("u.foreign_domid");
        public static final U16 U_RES0 = S.or().u16("u.res0");

        /// Array of `xen_ulong_t`.
        public static final Handle IDXS = S.end().handle("idxs");

        /// Array of `xen_pfn_t`.
        public static final Handle GPFNS = S.handle("gpfns");

        /// OUT: array of `int`.
        public static final Handle ERRS = S.handle("errs");

        public static final GuestStruct STRUCT = S.build();

        private AddToPhysmapBatch() {}
    }

    /// `struct xen_remove_from_physmap`: XENMEM_remove_from_physmap.
    public static final class RemoveFromPhysmap {
        private static final StructBuilder S =
                GuestStruct.declare("struct xen_remove_from_physmap");

        public static final U16 DOMID = S.u16("domid");
        public static final Ulong GPFN = S.ulong("gpfn");

        public static final GuestStruct STRUCT = S.build();

        private RemoveFromPhysmap() {}
    }

    /// `struct xen_memory_map`: XENMEM_memory_map.
    public static final class MemoryMap {
        private static final StructBuilder S = GuestStruct.declare("struct xen_memory_map");

        /// IN room, OUT used.
        public static final U32 NR_ENTRIES = S.u32("nr_entries");

        /// Array of [E820Entry].
        public static final Handle BUFFER = S.handle("buffer");

        public static final GuestStruct STRUCT = S.build();

        private MemoryMap() {}
    }

    /// `struct xen_foreign_memory_map`: XENMEM_set_memory_map.
    public static final class ForeignMemoryMap {
        private static final StructBuilder S = GuestStruct.declare("struct xen_foreign_memory_map");

        public static final U16 DOMID = S.u16("domid");
        public static final U32 MAP_NR_ENTRIES = S.align(FieldKind.ULONG).u32("map.nr_entries");
        public static final Handle MAP_BUFFER = S.handle("map.buffer");

        public static final GuestStruct STRUCT = S.build();

        private ForeignMemoryMap() {}
    }

    /// `struct xen_machphys_mfn_list`: XENMEM_machphys_mfn_list, XENMEM_machphys_compat_mfn_list.
    public static final class MachphysMfnList {
        private static final StructBuilder S = GuestStruct.declare("struct xen_machphys_mfn_list");

        public static final U32 MAX_EXTENTS = S.u32("max_extents");

        /// OUT: array of `xen_pfn_t`.
        public static final Handle EXTENT_START = S.handle("extent_start");

        /// OUT.
        public static final U32 NR_EXTENTS = S.u32("nr_extents");

        public static final GuestStruct STRUCT = S.build();

        private MachphysMfnList() {}
    }

    /// `struct xen_pod_target`: XENMEM_set_pod_target, XENMEM_get_pod_target.
    public static final class PodTarget {
        private static final StructBuilder S = GuestStruct.declare("struct xen_pod_target");

        public static final U64 TARGET_PAGES = S.u64("target_pages");
        public static final U64 TOT_PAGES = S.u64("tot_pages");
        public static final U64 POD_CACHE_PAGES = S.u64("pod_cache_pages");
        public static final U64 POD_ENTRIES = S.u64("pod_entries");
        public static final U16 DOMID = S.u16("domid");

        public static final GuestStruct STRUCT = S.build();

        private PodTarget() {}
    }

    /// `struct xen_mem_access_op`: XENMEM_access_op.
    public static final class AccessOp {
        private static final StructBuilder S = GuestStruct.declare("struct xen_mem_access_op");

        public static final U8 OP = S.u8("op");
        public static final U8 ACCESS = S.u8("access");
        public static final U16 DOMID = S.u16("domid");
        public static final U32 NR = S.u32("nr");
        public static final U64 PFN = S.u64Aligned("pfn");
        public static final Handle PFN_LIST = S.handle("pfn_list");
        public static final Handle ACCESS_LIST = S.handle("access_list");

        public static final GuestStruct STRUCT = S.build();

        private AccessOp() {}
    }

    /// `struct xen_vnuma_topology_info`: XENMEM_get_vnumainfo.
    public static final class VnumaTopologyInfo {
        private static final StructBuilder S =
                GuestStruct.declare("struct xen_vnuma_topology_info");

        public static final U16 DOMID = S.u16("domid");
        public static final U16 PAD = S.u16("pad");
        public static final U32 NR_VNODES = S.u32("nr_vnodes");
        public static final U32 NR_VCPUS = S.u32("nr_vcpus");
        public static final U32 NR_VMEMRANGES = S.u32("nr_vmemranges");
        public static final U64 VDISTANCE = S.u64("vdistance.pad");
        public static final U64 VCPU_TO_VNODE = S.u64("vcpu_to_vnode.pad");
        public static final U64 VMEMRANGE = S.u64("vmemrange.pad");

        public static final GuestStruct STRUCT = S.build();

        private VnumaTopologyInfo() {}
    }

    /// `struct xen_reserved_device_memory_map`: XENMEM_reserved_device_memory_map.
    public static final class ReservedDeviceMemoryMap {
        private static final StructBuilder S =
                GuestStruct.declare("struct xen_reserved_device_memory_map");

        public static final U32 FLAGS = S.u32("flags");

        /// IN room, OUT needed.
        public static final U32 NR_ENTRIES = S.u32("nr_entries");

        public static final Handle BUFFER = S.handle("buffer");
        public static final U16 DEV_PCI_SEG = S.u16("dev.pci.seg");
        public static final U8 DEV_PCI_BUS = S.u8("dev.pci.bus");
        public static final U8 DEV_PCI_DEVFN = S.u8("dev.pci.devfn");

        public static final GuestStruct STRUCT = S.build();

        private ReservedDeviceMemoryMap() {}
    }

    /// `struct xen_mem_acquire_resource`: XENMEM_acquire_resource.
    public static final class AcquireResource {
        private static final StructBuilder S =
                GuestStruct.declare("struct xen_mem_acquire_resource");

        public static final U16 DOMID = S.u16("domid");
        public static final U16 TYPE = S.u16("type");
        public static final U32 ID = S.u32("id");
        public static final U32 NR_FRAMES = S.u32("nr_frames");
        public static final U32 PAD = S.u32("pad");
        public static final U64 FRAME = S.u64("frame");
        public static final Handle FRAME_LIST = S.handle("frame_list");

        public static final GuestStruct STRUCT = S.build();

        private AcquireResource() {}
    }

    /// `struct e820entry`: one range of XENMEM_memory_map, packed to 20 bytes.
    public static final class E820Entry {
        private static final StructBuilder S = GuestStruct.declare("struct e820entry");

        public static final U64 ADDR = S.u64("addr");
        public static final U64 SIZE = S.u64("size");
        public static final U32 TYPE = S.u32("type");

        public static final GuestStruct STRUCT = S.buildPacked();

        private E820Entry() {}
    }

    /// Every structure of this file.
    public static List<GuestStruct> all() {
        return List.of(
                Reservation.STRUCT,
                Exchange.STRUCT,
                Domain.STRUCT,
                AddToPhysmap.STRUCT,
                AddToPhysmapBatch.STRUCT,
                RemoveFromPhysmap.STRUCT,
                MemoryMap.STRUCT,
                ForeignMemoryMap.STRUCT,
                MachphysMfnList.STRUCT,
                PodTarget.STRUCT,
                AccessOp.STRUCT,
                VnumaTopologyInfo.STRUCT,
                ReservedDeviceMemoryMap.STRUCT,
                AcquireResource.STRUCT,
                E820Entry.STRUCT);
    }
}
