package io.xenemu.core.paging;

import io.xenemu.core.migration.PageRunSink;
import java.io.IOException;

/// The place from which a page server brings the pages of a guest: a file, or in a migration the other host. The
/// server's thread alone uses it.
interface PageSource extends AutoCloseable {
    /// Whether it has a page. All others are zero.
    boolean has(int page);

    /// Brings a page, and others that come with it.
    ///
    /// @param page one that it has
    /// @throws IOException if it cannot be brought
    void bring(int page, PageRunSink sink) throws IOException;

    /// Brings pages that were not brought yet.
    ///
    /// @return false if there are none
    /// @throws IOException if they cannot be brought
    boolean bringNext(PageRunSink sink) throws IOException;

    @Override
    void close() throws IOException;
}
