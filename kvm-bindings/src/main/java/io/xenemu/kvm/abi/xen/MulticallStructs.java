package io.xenemu.kvm.abi.xen;

import io.xenemu.kvm.memory.FieldKind;
import io.xenemu.kvm.memory.GuestField;
import io.xenemu.kvm.memory.GuestField.Ulong;
import io.xenemu.kvm.memory.GuestStruct;
import io.xenemu.kvm.memory.StructBuilder;
import java.util.List;

/// Arguments of `HYPERVISOR_multicall`, which come as an array.
///
/// Source: xen/include/public/xen.h.
public final class MulticallStructs {
    private MulticallStructs() {}

    /// `struct multicall_entry`: one call.
    public static final class Entry {
        private static final StructBuilder S = GuestStruct.declare("struct multicall_entry");

        public static final Ulong OP = S.ulong("op");

        /// OUT.
        public static final Ulong RESULT = S.ulong("result");

        public static final GuestField.Array ARGS = S.array("args", FieldKind.ULONG, 6);

        public static final GuestStruct STRUCT = S.build();

        private Entry() {}
    }

    /// Every structure of this file.
    public static List<GuestStruct> all() {
        return List.of(Entry.STRUCT);
    }
}
