package io.xenemu.gnttab;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// A back end's mapping of several granted pages as one piece of memory, such as a ring of more than one page. The
/// back end owns the object and can reuse it after unmapping. Not thread-safe.
public final class GrantRange {
    int[] refs = {};
    boolean readOnly;
    @Nullable ContiguousPages pages;
    @Nullable MemorySegment view;

    /// A range object that maps nothing yet.
    public GrantRange() {}

    /// Whether pages are mapped now.
    public boolean isMapped() {
        return view != null;
    }

    /// The pages, contiguous; read-only if they were mapped read-only. Must not be used after unmapping.
    ///
    /// @throws IllegalStateException if nothing is mapped
    public MemorySegment view() {
        MemorySegment mapped = view;
        if (mapped == null) {
            throw new IllegalStateException("nothing is mapped");
        }
        return mapped;
    }
}
