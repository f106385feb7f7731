package io.xenemu.gnttab;

import java.lang.foreign.MemorySegment;

/// Shows pages of a domain one after another in host memory, without copying them.
public interface ContiguousPages {
    /// A view of pages, until [#dissolve]. Called without locks.
    ///
    /// @param owner whose they are
    /// @param mfns from [GuestFrames#mfn]; the first `count` count
    /// @return `count` times 4096 bytes; not to be written to if `readOnly`
    MemorySegment assemble(GuestFrames owner, long[] mfns, int count, boolean readOnly);

    /// Ends what [#assemble] returned.
    void dissolve(MemorySegment view);
}
