package io.xenemu.kvm.abi.xen;

import io.xenemu.kvm.memory.FieldKind;
import io.xenemu.kvm.memory.GuestField.Handle;
import io.xenemu.kvm.memory.GuestField.S16;
import io.xenemu.kvm.memory.GuestField.U16;
import io.xenemu.kvm.memory.GuestField.U32;
import io.xenemu.kvm.memory.GuestField.U64;
import io.xenemu.kvm.memory.GuestField.Ulong;
import io.xenemu.kvm.memory.GuestStruct;
import io.xenemu.kvm.memory.StructBuilder;
import java.util.List;

/// Arguments of `HYPERVISOR_grant_table_op`, which come as arrays, and the table itself.
///
/// Source: xen/include/public/grant_table.h.
public final class GnttabStructs {
    private GnttabStructs() {}

    /// `struct grant_entry_v1`: in the shared table, version 1.
    public static final class EntryV1 {
        private static final StructBuilder S = GuestStruct.declare("struct grant_entry_v1");

        public static final U16 FLAGS = S.u16("flags");
        public static final U16 DOMID = S.u16("domid");
        public static final U32 FRAME = S.u32("frame");

        public static final GuestStruct STRUCT = S.build();

        private EntryV1() {}
    }

    /// `union grant_entry_v2`: in the shared table, version 2.
    public static final class EntryV2 {
        private static final StructBuilder S = GuestStruct.declare("union grant_entry_v2");

        public static final U16 HDR_FLAGS = S.union(FieldKind.U64).u16("hdr.flags");
        public static final U16 HDR_DOMID = S.u16("hdr.domid");
        public static final U32 FULL_PAGE_PAD0 = S.u32("full_page.pad0");
        public static final U64 FULL_PAGE_FRAME = S.u64("full_page.frame");
        public static final U16 SUB_PAGE_HDR_FLAGS = S.or().u16("sub_page.hdr.flags");
        public static final U16 SUB_PAGE_HDR_DOMID = S.u16("sub_page.hdr.domid");
        public static final U16 SUB_PAGE_PAGE_OFF = S.u16("sub_page.page_off");
        public static final U16 SUB_PAGE_LENGTH = S.u16("sub_page.length");
        public static final U64 SUB_PAGE_FRAME = S.u64("sub_page.frame");
        public static final U16 TRANSITIVE_HDR_FLAGS = S.or().u16("transitive.hdr.flags");
        public static final U16 TRANSITIVE_HDR_DOMID = S.u16("transitive.hdr.domid");
        public static final U16 TRANSITIVE_TRANS_DOMID = S.u16("transitive.trans_domid");
        public static final U16 TRANSITIVE_PAD0 = S.u16("transitive.pad0");
        public static final U32 TRANSITIVE_GREF = S.u32("transitive.gref");

        public static final GuestStruct STRUCT = S.build();

        private EntryV2() {}
    }

    /// `struct gnttab_map_grant_ref`: GNTTABOP_map_grant_ref.
    public static final class MapGrantRef {
        private static final StructBuilder S = GuestStruct.declare("struct gnttab_map_grant_ref");

        public static final U64 HOST_ADDR = S.u64("host_addr");
        public static final U32 FLAGS = S.u32("flags");
        public static final U32 REF = S.u32("ref");
        public static final U16 DOM = S.u16("dom");

        /// OUT, as the rest: GNTST_*.
        public static final S16 STATUS = S.s16("status");

        public static final U32 HANDLE = S.u32("handle");
        public static final U64 DEV_BUS_ADDR = S.u64("dev_bus_addr");

        public static final GuestStruct STRUCT = S.build();

        private MapGrantRef() {}
    }

    /// `struct gnttab_unmap_grant_ref`: GNTTABOP_unmap_grant_ref.
    public static final class UnmapGrantRef {
        private static final StructBuilder S = GuestStruct.declare("struct gnttab_unmap_grant_ref");

        public static final U64 HOST_ADDR = S.u64("host_addr");
        public static final U64 DEV_BUS_ADDR = S.u64("dev_bus_addr");
        public static final U32 HANDLE = S.u32("handle");

        /// OUT.
        public static final S16 STATUS = S.s16("status");

        public static final GuestStruct STRUCT = S.build();

        private UnmapGrantRef() {}
    }

    /// `struct gnttab_setup_table`: GNTTABOP_setup_table.
    public static final class SetupTable {
        private static final StructBuilder S = GuestStruct.declare("struct gnttab_setup_table");

        public static final U16 DOM = S.u16("dom");
        public static final U32 NR_FRAMES = S.u32("nr_frames");

        /// OUT.
        public static final S16 STATUS = S.s16("status");

        /// OUT: array of `xen_pfn_t`.
        public static final Handle FRAME_LIST = S.handle("frame_list");

        public static final GuestStruct STRUCT = S.build();

        private SetupTable() {}
    }

    /// `struct gnttab_dump_table`: GNTTABOP_dump_table.
    public static final class DumpTable {
        private static final StructBuilder S = GuestStruct.declare("struct gnttab_dump_table");

        public static final U16 DOM = S.u16("dom");

        /// OUT.
        public static final S16 STATUS = S.s16("status");

        public static final GuestStruct STRUCT = S.build();

        private DumpTable() {}
    }

    /// `struct gnttab_transfer`: GNTTABOP_transfer.
    public static final class Transfer {
        private static final StructBuilder S = GuestStruct.declare("struct gnttab_transfer");

        public static final Ulong MFN = S.ulong("mfn");
        public static final U16 DOMID = S.u16("domid");
        public static final U32 REF = S.u32("ref");

        /// OUT.
        public static final S16 STATUS = S.s16("status");

        public static final GuestStruct STRUCT = S.build();

        private Transfer() {}
    }

    /// `struct gnttab_copy`: GNTTABOP_copy.
    public static final class Copy {
        private static final StructBuilder S = GuestStruct.declare("struct gnttab_copy");

        public static final U32 SOURCE_U_REF =
                S.align(FieldKind.ULONG).union(FieldKind.ULONG).u32("source.u.ref");
        public static final Ulong SOURCE_U_GMFN = S.or().ulong("source.u.gmfn");
        public static final U16 SOURCE_DOMID = S.end().u16("source.domid");
        public static final U16 SOURCE_OFFSET = S.u16("source.offset");
        public static final U32 DEST_U_REF =
                S.align(FieldKind.ULONG).union(FieldKind.ULONG).u32("dest.u.ref");
        public static final Ulong DEST_U_GMFN = S.or().ulong("dest.u.gmfn");
        public static final U16 DEST_DOMID = S.end().u16("dest.domid");
        public static final U16 DEST_OFFSET = S.u16("dest.offset");
        public static final U16 LEN = S.align(FieldKind.ULONG).u16("len");

        /// GNTCOPY_*.
        public static final U16 FLAGS = S.u16("flags");

        /// OUT.
        public static final S16 STATUS = S.s16("status");

        public static final GuestStruct STRUCT = S.build();

        private Copy() {}
    }

    /// `struct gnttab_query_size`: GNTTABOP_query_size.
    public static final class QuerySize {
        private static final StructBuilder S = GuestStruct.declare("struct gnttab_query_size");

        public static final U16 DOM = S.u16("dom");

        /// OUT, as the rest.
        public static final U32 NR_FRAMES = S.u32("nr_frames");

        public static final U32 MAX_NR_FRAMES = S.u32("max_nr_frames");
        public static final S16 STATUS = S.s16("status");

        public static final GuestStruct STRUCT = S.build();

        private QuerySize() {}
    }

    /// `struct gnttab_unmap_and_replace`: GNTTABOP_unmap_and_replace.
    public static final class UnmapAndReplace {
        private static final StructBuilder S =
                GuestStruct.declare("struct gnttab_unmap_and_replace");

        public static final U64 HOST_ADDR = S.u64("host_addr");
        public static final U64 NEW_ADDR = S.u64("new_addr");
        public static final U32 HANDLE = S.u32("handle");

        /// OUT.
        public static final S16 STATUS = S.s16("status");

        public static final GuestStruct STRUCT = S.build();

        private UnmapAndReplace() {}
    }

    /// `struct gnttab_set_version`: GNTTABOP_set_version.
    public static final class SetVersion {
        private static final StructBuilder S = GuestStruct.declare("struct gnttab_set_version");

        /// IN and OUT.
        public static final U32 VERSION = S.u32("version");

        public static final GuestStruct STRUCT = S.build();

        private SetVersion() {}
    }

    /// `struct gnttab_get_status_frames`: GNTTABOP_get_status_frames.
    public static final class GetStatusFrames {
        private static final StructBuilder S =
                GuestStruct.declare("struct gnttab_get_status_frames");

        public static final U32 NR_FRAMES = S.u32("nr_frames");
        public static final U16 DOM = S.u16("dom");

        /// OUT.
        public static final S16 STATUS = S.s16("status");

        /// OUT: array of `uint64_t`.
        public static final Handle FRAME_LIST = S.handle("frame_list");

        public static final GuestStruct STRUCT = S.build();

        private GetStatusFrames() {}
    }

    /// `struct gnttab_get_version`: GNTTABOP_get_version.
    public static final class GetVersion {
        private static final StructBuilder S = GuestStruct.declare("struct gnttab_get_version");

        public static final U16 DOM = S.u16("dom");
        public static final U16 PAD = S.u16("pad");

        /// OUT.
        public static final U32 VERSION = S.u32("version");

        public static final GuestStruct STRUCT = S.build();

        private GetVersion() {}
    }

    /// `struct gnttab_swap_grant_ref`: GNTTABOP_swap_grant_ref.
    public static final class SwapGrantRef {
        private static final StructBuilder S = GuestStruct.declare("struct gnttab_swap_grant_ref");

        public static final U32 REF_A = S.u32("ref_a");
        public static final U32 REF_B = S.u32("ref_b");

        /// OUT.
        public static final S16 STATUS = S.s16("status");

        public static final GuestStruct STRUCT = S.build();

        private SwapGrantRef() {}
    }

    /// `struct gnttab_cache_flush`: GNTTABOP_cache_flush.
    public static final class CacheFlush {
        private static final StructBuilder S = GuestStruct.declare("struct gnttab_cache_flush");

        public static final U64 A_DEV_BUS_ADDR = S.union(FieldKind.U64).u64("a.dev_bus_addr");
        public static final U32 A_REF = S.or().u32("a.ref");
        public static final U16 OFFSET = S.end().u16("offset");
        public static final U16 LENGTH = S.u16("length");
        public static final U32 OP = S.u32("op");

        public static final GuestStruct STRUCT = S.build();

        private CacheFlush() {}
    }

    /// Every structure of this file.
    public static List<GuestStruct> all() {
        return List.of(
                EntryV1.STRUCT,
                EntryV2.STRUCT,
                MapGrantRef.STRUCT,
                UnmapGrantRef.STRUCT,
                SetupTable.STRUCT,
                DumpTable.STRUCT,
                Transfer.STRUCT,
                Copy.STRUCT,
                QuerySize.STRUCT,
                UnmapAndReplace.STRUCT,
                SetVersion.STRUCT,
                GetStatusFrames.STRUCT,
                GetVersion.STRUCT,
                SwapGrantRef.STRUCT,
                CacheFlush.STRUCT);
    }
}
