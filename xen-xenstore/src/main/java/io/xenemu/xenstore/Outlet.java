package io.xenemu.xenstore;

import io.xenemu.xenstore.tree.Path;
import org.jspecify.annotations.Nullable;

/// Where a session's output goes. What fails here is the client's own failure, on whichever client's thread it comes up.
interface Outlet {
    /// Queues a watch event. Called with the store's lock held; must not call out.
    ///
    /// @param skip how many bytes of the path to leave out in front (relative watches)
    void watchEvent(Path path, int skip, byte[] token);

    /// Moves queued output on as far as it goes without waiting. Called with the store's lock held; must not call out.
    ///
    /// @return what to do after the lock is released, such as to notify the reader; null for nothing
    @Nullable Runnable flush();

    /// Told what [#flush], or what it gave to do, has thrown. Called without the lock; must not throw.
    void failed(Throwable failure);
}
