package io.xenemu.gnttab;

import java.lang.foreign.MemorySegment;

/// Provides the pages of a grant table, which the guest reads and writes once they are in its address space. Each is of 4096
/// bytes, page aligned, the same at every call, and valid until the table has been released (see [GrantTable#destroy]).
public interface TablePages {
    /// A page of entries, zero when first given out.
    ///
    /// @param index counted from 0, below the limit of frames
    MemorySegment grantFrame(int index);

    /// A page of version 2's status words.
    ///
    /// @param index counted from 0, below [GrantLimits#maxStatusFrames]
    MemorySegment statusFrame(int index);

    /// The guest has gone back to version 1: its status frames are to vanish from its address space. Called without locks.
    void removeStatusFrames();
}
