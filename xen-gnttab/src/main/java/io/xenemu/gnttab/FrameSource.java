package io.xenemu.gnttab;

import java.lang.foreign.MemorySegment;

/// Provides the pages of a grant table.
@FunctionalInterface
public interface FrameSource {
    /// The page of a frame: 4096 bytes, page aligned, zero when first given out, the same at every call, and valid for as
    /// long as the domain exists. The guest reads and writes it once it is in its address space.
    ///
    /// @param index counted from 0
    MemorySegment frame(int index);
}
