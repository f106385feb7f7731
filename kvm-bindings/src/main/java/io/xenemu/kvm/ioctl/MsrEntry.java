package io.xenemu.kvm.ioctl;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/// A model-specific register and its value, `struct kvm_msr_entry`.
///
/// @param index the MSR's number
/// @param data its value
public record MsrEntry(int index, long data) {
    /// A `struct kvm_msrs` with these entries.
    static MemorySegment table(Arena arena, List<MsrEntry> entries) {
        MemorySegment table =
                arena.allocate(
                        VcpuStructs.KVM_MSRS.byteSize()
                                + entries.size() * VcpuStructs.KVM_MSR_ENTRY.byteSize(),
                        Long.BYTES);
        new CStruct(table, VcpuStructs.KVM_MSRS).set("nmsrs", entries.size());
        int i = 0;
        for (MsrEntry e : entries) {
            at(table, i++).set("index", e.index).set("data", e.data);
        }
        return table;
    }

    /// The first `count` entries of a filled table.
    static List<MsrEntry> read(MemorySegment table, int count) {
        List<MsrEntry> entries = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            CStruct c = at(table, i);
            entries.add(new MsrEntry(c.getInt("index"), c.get("data")));
        }
        return List.copyOf(entries);
    }

    private static CStruct at(MemorySegment table, int index) {
        long size = VcpuStructs.KVM_MSR_ENTRY.byteSize();
        return new CStruct(
                table.asSlice(VcpuStructs.KVM_MSRS.byteSize() + index * size, size),
                VcpuStructs.KVM_MSR_ENTRY);
    }
}
