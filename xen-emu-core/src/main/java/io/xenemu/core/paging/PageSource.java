package io.xenemu.core.paging;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/// The place from which a page server brings the pages of a guest: a file, or in a migration the other host. The
/// server's thread alone uses it.
interface PageSource extends AutoCloseable {
    /// Takes pages that follow one another.
    @FunctionalInterface
    interface Sink {
        /// Takes a run.
        ///
        /// @param first the number of the first page
        /// @param pages valid during the call
        void run(long first, MemorySegment pages) throws IOException;
    }

    /// Whether it has a page. All others are zero.
    boolean has(int page);

    /// Brings a page, and others that come with it.
    ///
    /// @param page one that it has
    /// @throws IOException if it cannot be brought
    void bring(int page, Sink sink) throws IOException;

    /// Brings pages that were not brought yet.
    ///
    /// @return false if there are none
    /// @throws IOException if they cannot be brought
    boolean bringNext(Sink sink) throws IOException;

    @Override
    void close() throws IOException;
}
