package io.xenemu.core.migration;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/// Takes pages of a guest's RAM that follow one another.
@FunctionalInterface
public interface PageRunSink {
    /// Takes a run.
    ///
    /// @param first the number of the first page
    /// @param pages valid during the call
    void run(long first, MemorySegment pages) throws IOException;
}
