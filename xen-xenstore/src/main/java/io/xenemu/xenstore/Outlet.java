package io.xenemu.xenstore;

import io.xenemu.xenstore.tree.Path;
import org.jspecify.annotations.Nullable;

/// Where a session's output goes. Both methods are called with the store's lock held and must not call out.
interface Outlet {
    /// Queues a watch event.
    ///
    /// @param skip how many bytes of the path to leave out in front (relative watches)
    void watchEvent(Path path, int skip, byte[] token);

    /// Moves queued output on as far as it goes without waiting.
    ///
    /// @return what to do after the lock is released, such as to notify the reader; null for nothing
    @Nullable Runnable flush();
}
