package io.xenemu.xenstore.request;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.metrics.RequestMetrics;
import io.xenemu.xenstore.store.Outlet;
import io.xenemu.xenstore.store.Session;
import io.xenemu.xenstore.store.XenStore;
import org.jspecify.annotations.Nullable;

/// The store as its transports see it: the lock, and what they do under it. A transport takes the lock once for a
/// batch of requests. A holder calls nothing outside the store but observers of requests, which take no lock except a
/// leaf.
public interface StoreAccess {
    /// Takes the lock.
    void enter();

    /// Flushes the sessions that have output, releases the lock, and then notifies their readers. One reader's
    /// failure does not affect the others.
    void leave();

    /// The store. Lock held.
    XenStore store();

    /// Connects a new client. Lock held.
    Session connect(DomId domain, Outlet outlet);

    /// Handles one complete message and queues the reply. Lock held.
    ///
    /// @param message private memory with header and payload at `at`
    /// @param metrics counts the request
    /// @return the error that was answered; null if there was none
    @Nullable XenError handle(
            Session session, ReplyQueue output, byte[] message, int at, RequestMetrics metrics);

    /// Counts a client that connected or disconnected. Lock held.
    ///
    /// @param change 1 or -1
    void countConnection(int change);
}
