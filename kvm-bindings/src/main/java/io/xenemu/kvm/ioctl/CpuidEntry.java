package io.xenemu.kvm.ioctl;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/// One CPUID leaf, `struct kvm_cpuid_entry2`.
///
/// @param function EAX of the query
/// @param index ECX of the query, if [#SIGNIFICANT_INDEX] is set
/// @param flags [#SIGNIFICANT_INDEX] or 0
/// @param eax the answer
/// @param ebx the answer
/// @param ecx the answer
/// @param edx the answer
public record CpuidEntry(int function, int index, int flags, int eax, int ebx, int ecx, int edx) {
    /// `KVM_CPUID_FLAG_SIGNIFCANT_INDEX`: the leaf has sub-leaves.
    public static final int SIGNIFICANT_INDEX = 1;

    /// KVM_MAX_CPUID_ENTRIES of the kernel; no table is longer.
    static final int MAX_ENTRIES = 256;

    /// A `struct kvm_cpuid2` with these entries.
    static MemorySegment table(Arena arena, List<CpuidEntry> entries) {
        MemorySegment table = empty(arena, entries.size());
        int i = 0;
        for (CpuidEntry e : entries) {
            at(table, i++)
                    .set("function", e.function)
                    .set("index", e.index)
                    .set("flags", e.flags)
                    .set("eax", e.eax)
                    .set("ebx", e.ebx)
                    .set("ecx", e.ecx)
                    .set("edx", e.edx);
        }
        return table;
    }

    /// A `struct kvm_cpuid2` with room for this many entries.
    static MemorySegment empty(Arena arena, int count) {
        MemorySegment table =
                arena.allocate(
                        VcpuStructs.KVM_CPUID2.byteSize()
                                + count * VcpuStructs.KVM_CPUID_ENTRY2.byteSize(),
                        Long.BYTES);
        new CStruct(table, VcpuStructs.KVM_CPUID2).set("nent", count);
        return table;
    }

    /// The entries of a filled table.
    static List<CpuidEntry> read(MemorySegment table) {
        int count = new CStruct(table, VcpuStructs.KVM_CPUID2).getInt("nent");
        List<CpuidEntry> entries = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            CStruct c = at(table, i);
            entries.add(
                    new CpuidEntry(
                            c.getInt("function"),
                            c.getInt("index"),
                            c.getInt("flags"),
                            c.getInt("eax"),
                            c.getInt("ebx"),
                            c.getInt("ecx"),
                            c.getInt("edx")));
        }
        return List.copyOf(entries);
    }

    private static CStruct at(MemorySegment table, int index) {
        long size = VcpuStructs.KVM_CPUID_ENTRY2.byteSize();
        return new CStruct(
                table.asSlice(VcpuStructs.KVM_CPUID2.byteSize() + index * size, size),
                VcpuStructs.KVM_CPUID_ENTRY2);
    }
}
