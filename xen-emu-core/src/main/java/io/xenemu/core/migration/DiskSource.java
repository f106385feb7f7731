package io.xenemu.core.migration;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/// A disk of a guest that runs, whose content goes with the guest to a host that does not see it.
public interface DiskSource {
    /// Its size in bytes, a multiple of 512. It does not change.
    long bytes();

    /// Notes the guest's writes.
    BlockLog written();

    /// Where it has data next, from an offset on: what is before reads as zeros.
    ///
    /// @return `Long.MAX_VALUE` if there is no more
    long nextData(long from) throws IOException;

    /// Reads a part of it. What the guest writes meanwhile may be in it or not.
    ///
    /// @param into as many bytes as are read
    void read(long from, MemorySegment into) throws IOException, InterruptedException;
}
