package io.xenemu.core.xenimage;

import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.cpuid.CpuPolicy;
import io.xenemu.core.machine.state.KvmState;
import io.xenemu.core.memory.MemoryState;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// A guest of Xen that has suspended itself, from its image: all that a domain here needs to go on with it.
///
/// @param xenVersion the release of Xen that saved it, as XENVER_version gives it
/// @param policy the processor that it sees; null if the image does not tell
/// @param layout where its memory is, and its APIC ids
/// @param memory the pages that it has
/// @param kvm its processors
/// @param isNativeTsc whether its time stamp counter runs at each host's own frequency
/// @param pages the contents of its pages
public record XenImage(
        int xenVersion,
        @Nullable CpuPolicy policy,
        MachineLayout layout,
        MemoryState memory,
        KvmState kvm,
        boolean isNativeTsc,
        Pages pages) {
    /// The contents of a guest's pages.
    @FunctionalInterface
    public interface Pages {
        /// Puts them into RAM.
        ///
        /// @param ram all pages of the layout, which are all zeros
        void fill(MemorySegment ram) throws IOException;
    }
}
