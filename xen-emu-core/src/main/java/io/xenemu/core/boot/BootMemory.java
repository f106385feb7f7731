package io.xenemu.core.boot;

import java.lang.foreign.MemorySegment;

/// The guest's memory before its first instruction. It is new: bytes that nobody writes read as zero, which is what
/// `.bss` and unused table fields rely on.
@FunctionalInterface
public interface BootMemory {
    /// Copies all of `source` to the guest-physical address `gpa`. The range lies within the slots of the domain's
    /// [GuestMemoryMap]; a failure is a bug of the caller.
    void write(long gpa, MemorySegment source);

    /// Copies all of `source` to `gpa`.
    default void write(long gpa, byte[] source) {
        write(gpa, MemorySegment.ofArray(source));
    }
}
