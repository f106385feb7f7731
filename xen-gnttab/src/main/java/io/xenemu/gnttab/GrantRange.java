package io.xenemu.gnttab;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// A back end's mapping of several granted pages as one piece of memory, such as a ring of more than one page. The object
/// belongs to the back end and can be used again after unmapping. Not for use by two threads at once.
public final class GrantRange {
    int[] refs = {};
    boolean readOnly;
    @Nullable ContiguousPages pages;
    @Nullable MemorySegment view;

    /// Maps nothing yet.
    public GrantRange() {}

    /// Whether it stands for a mapping now.
    public boolean isMapped() {
        return view != null;
    }

    /// The pages one after another, read-only if they were mapped so. Not to be touched after unmapping.
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
