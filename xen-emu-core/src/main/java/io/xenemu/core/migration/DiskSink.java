package io.xenemu.core.migration;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/// A disk that gets the content of a guest's disk at another host. All zeros at first. Several threads write to it at a
/// time, each to another place.
public interface DiskSink {
    /// Its size in bytes.
    long bytes();

    /// Writes a part of it.
    void write(long at, MemorySegment bytes) throws IOException;

    /// Makes a part of it zero.
    void zero(long at, long count) throws IOException;

    /// Returns when all that was written is on the storage. At the end of each round, so that little is left for the
    /// last one.
    void sync() throws IOException;
}
