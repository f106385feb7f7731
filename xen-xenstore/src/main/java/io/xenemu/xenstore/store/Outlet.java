package io.xenemu.xenstore.store;

import io.xenemu.xenstore.tree.Path;
import org.jspecify.annotations.Nullable;

/// Sends a session's output. A failure is the client's own, whichever client's thread it occurs on.
public interface Outlet {
    /// Queues a watch event. Called with the store's lock held; must not call out.
    ///
    /// @param skip the number of leading bytes of the path to leave out (relative watches)
    void watchEvent(Path path, int skip, byte[] token);

    /// Moves queued output on as far as possible without waiting. Called with the store's lock held; must not call
    /// out.
    ///
    /// @return an action for after the lock is released, such as notifying the reader; null for none
    @Nullable Runnable flush();

    /// Receives an exception of [#flush] or of the action that it returned. Called without the lock; must not throw.
    void failed(Throwable failure);
}
