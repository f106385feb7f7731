package io.xenemu.gnttab;

import java.lang.foreign.MemorySegment;

/// Shows pages of a domain contiguously in host memory, without copying them.
public interface ContiguousPages {
    /// Makes a view of pages, which stays until [#dissolve]. Called without locks.
    ///
    /// @param owner the pages' domain
    /// @param mfns from [GuestFrames#mfn]; the first `count` are used
    /// @return `count` times 4096 bytes; must not be written if `readOnly`
    MemorySegment assemble(GuestFrames owner, long[] mfns, int count, boolean readOnly);

    /// Removes a view that [#assemble] returned.
    void dissolve(MemorySegment view);
}
