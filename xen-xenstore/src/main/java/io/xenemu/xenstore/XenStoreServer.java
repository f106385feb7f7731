package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.socket.UnixListener;
import io.xenemu.xenstore.persist.Journal;
import io.xenemu.xenstore.persist.StoreImage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// A XenStore with everything that connects to it: guests' rings, a Unix socket, and clients in this process.
///
/// Threads: one lock guards the store and all sessions. Each transport takes it once for a batch of requests, on its own
/// thread (a guest's ring on the thread that calls [RingConnection#service], the sockets on theirs), so requests of
/// different clients are strictly one after the other and nothing is handed between threads. Who waits for the lock is not
/// overtaken for ever ([StoreLock]). It is a leaf: doorbells, wake-ups and listeners are called after it is released.
public final class XenStoreServer implements AutoCloseable {
    private final StoreLock lock = new StoreLock();
    private final XenStore store;
    private final RequestHandler handler;
    private final XenStoreMetrics metrics;
    private final XenStoreMetrics.DomainMeters hostMeters;
    private final Executor listeners;
    private final GuestRings rings;
    private final ClientMemory clientMemory;
    private final List<SocketTransport> sockets = new ArrayList<>();
    private @Nullable Journal journal;
    private volatile int connections;

    /// An empty store.
    ///
    /// @param quotas limits of guests, until SET_QUOTA or CONTROL change them
    /// @param domains which domains there are
    /// @param metrics where to count
    /// @param listeners runs the listeners of in-process watches, each client's one at a time and in order; a listener
    ///     may call the store. `Runnable::run` runs them on the thread that made the change, after the lock.
    public XenStoreServer(
            Quotas quotas, Domains domains, XenStoreMetrics metrics, Executor listeners) {
        this(quotas, domains, metrics, listeners, ClientMemory.ofThisProcess());
    }

    /// As [#XenStoreServer(Quotas, Domains, XenStoreMetrics, Executor)].
    ///
    /// @param clientMemory what clients of the sockets may hold
    XenStoreServer(
            Quotas quotas,
            Domains domains,
            XenStoreMetrics metrics,
            Executor listeners,
            ClientMemory clientMemory) {
        this.clientMemory = clientMemory;
        this.store = new XenStore(quotas, domains);
        this.metrics = metrics;
        this.rings = new GuestRings(this, store, metrics);
        this.handler = new RequestHandler(store, rings);
        this.listeners = listeners;
        this.hostMeters = metrics.register(DomId.DOM0);
        hostMeters.registerGauges(() -> 0, () -> 0, () -> store.nodeCounts().nodes(DomId.DOM0));
        // Meters take no lock: what they tell may be a moment old.
        metrics.registerTotals(
                store::watchCount,
                store::transactionCount,
                store.nodeCounts()::total,
                () -> connections,
                clientMemory);
    }

    // --- guests

    /// Starts to serve a domain's ring: empties it, tells the guest that it is connected, rings the doorbell, fires
    /// `@introduceDomain`. For a domain that is already introduced, resets its connection instead (watches and
    /// transactions are dropped, nodes stay) and uses the new ring from now on: this is how a reboot or a soft reset
    /// that keeps the domain id is done.
    ///
    /// @return what to call on events; the same object until the domain is released
    public RingConnection introduce(DomId domain, Ring ring) {
        enter();
        try {
            return rings.introduce(domain, ring);
        } finally {
            leave();
        }
    }

    /// Stops to serve a domain, which is gone: its page is not touched after this returns; its nodes and its entries in
    /// other nodes' permissions are removed; `@releaseDomain` fires, if it was introduced. To be called for every domain that
    /// is gone: tools can give nodes and quotas to one that is not introduced, too.
    public void release(DomId domain) {
        enter();
        try {
            rings.end(domain);
        } finally {
            leave();
        }
    }

    /// Tells that a domain has shut down or crashed, though it still exists: fires `@releaseDomain` once.
    public void shutdown(DomId domain) {
        enter();
        try {
            store.introduced().shutdown(domain);
        } finally {
            leave();
        }
    }

    // --- saved state

    /// The whole store with all introduced domains. Clients of the host are not part of it.
    public XenStoreState save() {
        enter();
        try {
            return store.save(path -> true, rings.save());
        } finally {
            leave();
        }
    }

    /// One introduced domain: its connection and its nodes, which are those at and below `/local/domain/<id>`, its
    /// directory in `/vm`, and its back ends in domain 0.
    ///
    /// @throws IllegalStateException if it is not introduced
    public XenStoreState save(DomId domain) {
        enter();
        try {
            if (!rings.contains(domain)) {
                throw new IllegalStateException(domain + " is not introduced");
            }
            return store.save(
                    StoreSnapshot.belongsTo(store.root(), domain), List.of(rings.save(domain)));
        } finally {
            leave();
        }
    }

    /// Adds what was saved to this store, whole or of one domain: nodes replace those of the same path, and the domains go
    /// on in their rings where they were. The permissions of the special watches are taken from a whole store only.
    /// Nothing has changed if it fails.
    ///
    /// @param state without sockets and without a ring of domain 0, which are not taken over: see
    ///     [XenStoreState#withoutSockets] and [XenStoreState#without]
    /// @param pages the restored domains' pages and doorbells; contents of the pages are kept
    /// @return what to call on events, by domain
    /// @throws XenError EEXIST if such a domain is introduced already; EINVAL for something that this store cannot have
    public Map<DomId, RingConnection> restore(
            XenStoreState state, Function<XenStoreState.DomainState, Ring> pages) throws XenError {
        StoreRestoration.check(state);
        enter();
        try {
            return StoreRestoration.restore(state, store, rings, pages);
        } finally {
            leave();
        }
    }

    // --- the file

    /// Keeps the store in a file from now on: takes over what the file holds, and tells no client of the sockets of a change
    /// that is not on the disk. A change for which the disk has no room is answered with ENOSPC. To be called before
    /// [#listen(Path)]. The journal is for the caller to close, after the server.
    ///
    /// @param failed is told once if the file cannot be written; no client gets a reply any more then
    /// @throws IOException if the file cannot be written
    public void persist(Journal file, Consumer<IOException> failed) throws IOException {
        if (!sockets.isEmpty()) {
            throw new IllegalStateException("clients of a socket have had replies already");
        }
        StoreImage image = file.recovered();
        if (image != null) {
            XenStoreState state =
                    XenStoreState.ofNodes(
                            StoreSnapshot.nodes(image.root(), path -> true),
                            new SpecialPermissions(image.introduce(), image.release()).states());
            try {
                restore(
                        state,
                        _ -> {
                            throw new IllegalStateException("no domains are kept");
                        });
            } catch (XenError e) {
                throw new IllegalStateException("it was a store's once", e);
            }
        }
        file.start(this::image, failed);
        journal = file;
        enter();
        try {
            store.keptIn(file::promise);
        } finally {
            leave();
        }
    }

    private StoreImage image() {
        enter();
        try {
            return store.image();
        } finally {
            leave();
        }
    }

    // --- the host

    /// A new client in this process, with the rights of domain 0.
    public XenStoreClient client() {
        return new XenStoreClient(this, listeners);
    }

    /// Serves the protocol on a Unix-domain socket, for host tools, with the rights of domain 0. If it cannot be served any more,
    /// its thread ends by an [UncheckedIOException] that nobody catches: what that means is for the process to say.
    ///
    /// @param path the socket's file; a leftover file of a daemon that is gone is replaced
    /// @throws IOException if it cannot be made, or somebody serves it already; the message is for an operator
    public SocketTransport listen(Path path) throws IOException {
        return listen(
                UnixListener.bind(path),
                e -> {
                    throw new UncheckedIOException("XenStore's socket: " + e.getMessage(), e);
                });
    }

    /// As [#listen(Path)], on a socket that is there already. It is closed with the server.
    ///
    /// @param failed is told once if the socket cannot be served any more; it is closed then
    public SocketTransport listen(UnixListener listener, Consumer<IOException> failed)
            throws IOException {
        SocketTransport transport =
                SocketTransport.open(this, listener, hostMeters, journal, failed);
        enter();
        try {
            sockets.add(transport);
        } finally {
            leave();
        }
        return transport;
    }

    /// Closes the sockets and releases all domains, without removing their nodes.
    @Override
    public void close() {
        List<SocketTransport> open;
        enter();
        try {
            open = List.copyOf(sockets);
            sockets.clear();
            rings.close();
        } finally {
            leave();
        }
        open.forEach(SocketTransport::close);
        hostMeters.remove();
        metrics.removeTotals();
    }

    // --- for the transports

    /// Takes the lock.
    void enter() {
        lock.lock();
    }

    /// Flushes the sessions that have output, releases the lock, and then notifies their readers, each of them whatever
    /// becomes of the others.
    void leave() {
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

    XenStore store() {
        return store;
    }

    ClientMemory clientMemory() {
        return clientMemory;
    }

    RequestHandler handler() {
        return handler;
    }

    /// A new connection. Lock held.
    Session connect(DomId domain, Outlet outlet) {
        return store.connect(domain, outlet);
    }

    /// Counts a client that came or went. Lock held.
    @SuppressWarnings("NonAtomicVolatileUpdate")
    void countConnection(int change) {
        connections += change;
    }
}
