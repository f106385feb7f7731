package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.metrics.RequestMetrics;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.request.ReplyQueue;
import io.xenemu.xenstore.request.RequestHandler;
import io.xenemu.xenstore.request.StoreAccess;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.ring.GuestRings;
import io.xenemu.xenstore.store.Outlet;
import io.xenemu.xenstore.store.Session;
import io.xenemu.xenstore.store.XenStore;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The store with its one lock, the handler of its requests, and the guests' rings, which some requests start and
/// end.
final class LockedStore implements StoreAccess {
    private final StoreLock lock = new StoreLock();
    private final XenStore store;
    private final GuestRings rings;
    private final RequestHandler handler;
    private volatile int connections;

    /// An empty store. The parameters are those of [XenStoreServer].
    LockedStore(Quotas quotas, GuestDomains domains, XenStoreMetrics metrics) {
        this.store = new XenStore(quotas, domains);
        this.rings = new GuestRings(this, domains, metrics);
        this.handler = new RequestHandler(store, rings);
    }

    GuestRings rings() {
        return rings;
    }

    /// The number of clients. Any thread.
    int connections() {
        return connections;
    }

    @Override
    public void enter() {
        lock.lock();
    }

    @Override
    public void leave() {
        @Nullable Session first = null;
        @Nullable Runnable firstAction = null;
        @Nullable List<Runnable> more = null;
        try {
            List<Session> changed = store.changedSessions();
            for (int i = 0; i < changed.size(); i++) {
                Session session = changed.get(i);
                Runnable action = session.flush();
                if (action != null && first == null) {
                    first = session;
                    firstAction = action;
                } else if (action != null) {
                    more = more == null ? new ArrayList<>() : more;
                    more.add(() -> session.notifyReader(action));
                }
            }
            changed.clear();
        } finally {
            lock.unlock();
        }
        if (first != null && firstAction != null) {
            first.notifyReader(firstAction);
        }
        if (more != null) {
            more.forEach(Runnable::run);
        }
    }

    @Override
    public XenStore store() {
        return store;
    }

    @Override
    public Session connect(DomId domain, Outlet outlet) {
        return store.connect(domain, outlet);
    }

    @Override
    public @Nullable XenError handle(
            Session session, ReplyQueue output, byte[] message, int at, RequestMetrics metrics) {
        return handler.handle(session, output, message, at, metrics);
    }

    @Override
    @SuppressWarnings("NonAtomicVolatileUpdate") // the lock is held
    public void countConnection(int change) {
        connections += change;
    }
}
