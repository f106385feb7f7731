package io.xenemu.core.migration;

import io.xenemu.core.memory.DomainMemory;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;

/// The RAM of a guest, to be saved or restored. Nothing else uses it meanwhile.
///
/// @param file is wholly the guest's RAM, and tells where it has memory
/// @param pages a mapping of all of it: the pages by their numbers
public record RamSource(MemFd file, MemorySegment pages) {
    /// The RAM of a domain.
    public static RamSource of(DomainMemory memory) {
        return new RamSource(memory.ramFile(), memory.ram());
    }
}
