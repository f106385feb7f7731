package io.xenemu.gnttab;

import java.lang.foreign.MemorySegment;

/// Provides the pages of a grant table, which the guest reads and writes once they are in its address space. Each
/// page has 4096 bytes, is page-aligned, the same at every call, and valid until the table has been released (see
/// [GrantTable#destroy]).
public interface TablePages {
    /// A page of entries, zeroed when first given out.
    ///
    /// @param index counted from 0, below the limit of frames
    MemorySegment grantFrame(int index);

    /// A page of version 2's status words.
    ///
    /// @param index counted from 0, below [GrantLimits#maxStatusFrames]
    MemorySegment statusFrame(int index);

    /// Removes the status frames from the guest's address space, after it went back to version 1. Called without
    /// locks.
    void removeStatusFrames();
}
