package io.xenemu.kvm.abi.xen;

import io.xenemu.kvm.memory.GuestField.U32;
import io.xenemu.kvm.memory.GuestField.U64;
import io.xenemu.kvm.memory.GuestStruct;
import io.xenemu.kvm.memory.StructBuilder;
import java.util.List;

/// The structures that a PVH guest gets at its entry; the same in both widths.
///
/// Source: xen/include/public/arch-x86/hvm/start_info.h.
public final class StartInfoStructs {
    private StartInfoStructs() {}

    /// `struct hvm_start_info`: version 1.
    public static final class StartInfo {
        private static final StructBuilder S = GuestStruct.declare("struct hvm_start_info");

        public static final U32 MAGIC = S.u32("magic");
        public static final U32 VERSION = S.u32("version");
        public static final U32 FLAGS = S.u32("flags");
        public static final U32 NR_MODULES = S.u32("nr_modules");
        public static final U64 MODLIST_PADDR = S.u64("modlist_paddr");
        public static final U64 CMDLINE_PADDR = S.u64("cmdline_paddr");
        public static final U64 RSDP_PADDR = S.u64("rsdp_paddr");
        public static final U64 MEMMAP_PADDR = S.u64("memmap_paddr");
        public static final U32 MEMMAP_ENTRIES = S.u32("memmap_entries");
        public static final U32 RESERVED = S.u32("reserved");

        public static final GuestStruct STRUCT = S.build();

        private StartInfo() {}
    }

    /// `struct hvm_modlist_entry`: one module.
    public static final class ModlistEntry {
        private static final StructBuilder S = GuestStruct.declare("struct hvm_modlist_entry");

        public static final U64 PADDR = S.u64("paddr");
        public static final U64 SIZE = S.u64("size");
        public static final U64 CMDLINE_PADDR = S.u64("cmdline_paddr");
        public static final U64 RESERVED = S.u64("reserved");

        public static final GuestStruct STRUCT = S.build();

        private ModlistEntry() {}
    }

    /// `struct hvm_memmap_table_entry`: one memory range.
    public static final class MemmapEntry {
        private static final StructBuilder S = GuestStruct.declare("struct hvm_memmap_table_entry");

        public static final U64 ADDR = S.u64("addr");
        public static final U64 SIZE = S.u64("size");
        public static final U32 TYPE = S.u32("type");
        public static final U32 RESERVED = S.u32("reserved");

        public static final GuestStruct STRUCT = S.build();

        private MemmapEntry() {}
    }

    /// Every structure of this file.
    public static List<GuestStruct> all() {
        return List.of(StartInfo.STRUCT, ModlistEntry.STRUCT, MemmapEntry.STRUCT);
    }
}
