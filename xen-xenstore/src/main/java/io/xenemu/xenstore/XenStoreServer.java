package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.socket.StreamListener;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.persist.Journal;
import io.xenemu.xenstore.persist.StoreImage;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.request.StoreAccess;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.ring.GuestRings;
import io.xenemu.xenstore.ring.Ring;
import io.xenemu.xenstore.ring.RingConnection;
import io.xenemu.xenstore.ring.StoreRestoration;
import io.xenemu.xenstore.socket.ClientMemory;
import io.xenemu.xenstore.socket.SocketTransport;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.state.XenStoreState.SocketState;
import io.xenemu.xenstore.store.SpecialPermissions;
import io.xenemu.xenstore.store.StoreSnapshot;
import io.xenemu.xenstore.store.XenStore;
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

/// A XenStore with all its transports: guests' rings, a Unix socket, and clients in this process.
///
/// One lock guards the store and all sessions. Each transport takes it once for a batch of requests, on its own thread.
/// For a guest's ring that is the thread that calls [RingConnection#service]. So requests of different clients are
/// handled strictly one after the other, and nothing is handed between threads. Waiting threads are not overtaken
/// forever ([StoreLock]). The lock is a leaf: doorbells, wake-ups and listeners are called after it is released.
public final class XenStoreServer implements AutoCloseable {
    private final LockedStore access;
    private final XenStore store;
    private final XenStoreMetrics metrics;
    private final XenStoreMetrics.DomainMeters hostMeters;
    private final Executor listeners;
    private final GuestRings rings;
    private final ClientMemory clientMemory;
    private final List<SocketTransport> sockets = new ArrayList<>();
    private @Nullable Journal journal;

    /// An empty store.
    ///
    /// @param quotas limits of guests, until SET_QUOTA or CONTROL changes them
    /// @param domains knows the existing domains
    /// @param metrics the meters
    /// @param listeners runs the listeners of in-process watches, each client's one at a time and in order; a
    ///     listener may call the store. `Runnable::run` runs them on the thread that made the change, after the lock.
    public XenStoreServer(
            Quotas quotas, GuestDomains domains, XenStoreMetrics metrics, Executor listeners) {
        this(quotas, domains, metrics, listeners, ClientMemory.ofThisProcess());
    }

    /// An empty store with a limit of memory: see [#XenStoreServer(Quotas, GuestDomains, XenStoreMetrics, Executor)].
    ///
    /// @param clientMemory the limit of socket clients' memory
    XenStoreServer(
            Quotas quotas,
            GuestDomains domains,
            XenStoreMetrics metrics,
            Executor listeners,
            ClientMemory clientMemory) {
        this.clientMemory = clientMemory;
        this.access = new LockedStore(quotas, domains, metrics);
        this.store = access.store();
        this.metrics = metrics;
        this.rings = access.rings();
        this.listeners = listeners;
        this.hostMeters = metrics.register(DomId.DOM0);
        hostMeters.registerGauges(() -> 0, () -> 0, () -> store.nodeCounts().nodes(DomId.DOM0));
        // Meters take no lock: their values may be slightly old.
        metrics.registerTotals(
                store::watchCount,
                store::transactionCount,
                store.nodeCounts()::total,
                access::connections,
                clientMemory::used,
                clientMemory::disconnected);
    }

    // --- guests

    /// Starts to serve a domain's ring: empties it, tells the guest that it is connected, rings the doorbell, fires
    /// `@introduceDomain`. A domain that is already introduced gets its connection reset instead, and the new ring:
    /// watches and transactions are dropped, nodes are kept. A reboot or a soft reset that keeps the domain id does
    /// this.
    ///
    /// @return the connection to call on events; the same object until the domain is released
    public RingConnection introduce(DomId domain, Ring ring) {
        access.enter();
        try {
            return rings.introduce(domain, ring);
        } finally {
            access.leave();
        }
    }

    /// Stops serving a domain that is gone. When this returns, its page is not touched any more. Removes its nodes
    /// and its entries in other nodes' permissions, and fires `@releaseDomain` if it was introduced. Call it for
    /// every domain that is gone: tools can give nodes and quotas also to a domain that is not introduced.
    public void release(DomId domain) {
        access.enter();
        try {
            rings.end(domain);
        } finally {
            access.leave();
        }
    }

    /// Notes that a domain has shut down or crashed but still exists: fires `@releaseDomain` once.
    public void shutdown(DomId domain) {
        access.enter();
        try {
            store.introduced().shutdown(domain);
        } finally {
            access.leave();
        }
    }

    /// Notes that such a domain runs again, as RESUME does.
    ///
    /// @throws XenError ENOENT if it is not introduced
    public void resume(DomId domain) throws XenError {
        access.enter();
        try {
            store.introduced().resume(domain);
        } finally {
            access.leave();
        }
    }

    // --- saved state

    /// The whole store with all introduced domains, without clients of the host.
    public XenStoreState save() {
        access.enter();
        try {
            return store.save(StoreSnapshot.ALL, rings.save());
        } finally {
            access.leave();
        }
    }

    /// One introduced domain: its connection and its nodes, which are `/local/domain/<id>`, its directory in `/vm`,
    /// its back ends in domain 0, and everything below.
    ///
    /// @throws IllegalStateException if it is not introduced
    public XenStoreState save(DomId domain) {
        access.enter();
        try {
            if (!rings.contains(domain)) {
                throw new IllegalStateException(domain + " is not introduced");
            }
            return store.save(
                    StoreSnapshot.placesOf(store.root(), domain), List.of(rings.save(domain)));
        } finally {
            access.leave();
        }
    }

    /// Adds saved state, of a whole store or of one domain, to this store. Nodes replace those of the same path, and
    /// the domains' connections continue in their rings. Permissions of the special watches are taken only from a
    /// whole store. If it fails, nothing has changed.
    ///
    /// @param state without sockets and without a ring of domain 0, which cannot be restored: see
    ///     [XenStoreState#withoutSockets] and [XenStoreState#without]
    /// @param pages the restored domains' pages and doorbells; contents of the pages are kept
    /// @return the connections to call on events, by domain
    /// @throws XenError EEXIST a domain is introduced already; EINVAL something that this store cannot have
    public Map<DomId, RingConnection> restore(
            XenStoreState state, Function<XenStoreState.DomainState, Ring> pages) throws XenError {
        StoreRestoration.check(state);
        access.enter();
        try {
            return StoreRestoration.restore(state, store, rings, pages);
        } finally {
            access.leave();
        }
    }

    /// Adds the saved state of a whole store, whose domains are restored after it, each by [#restore]: they keep what
    /// they were given in it.
    ///
    /// @param state without sockets; its domains' connections are not restored
    /// @throws XenError EINVAL something that this store cannot have
    public void restoreBeforeDomains(XenStoreState state) throws XenError {
        XenStoreState nodes = state.withoutConnections();
        StoreRestoration.check(nodes);
        access.enter();
        try {
            store.expect(state.domains());
            Map<DomId, RingConnection> _ =
                    StoreRestoration.restore(
                            nodes,
                            store,
                            rings,
                            _ -> {
                                throw new IllegalStateException("no domains are restored");
                            });
        } finally {
            access.leave();
        }
    }

    /// The whole store with all introduced domains and the clients of its socket, while none is served ([#hold]). Of
    /// several sockets only the first one is in it. The numbers of descriptors are this process's.
    public XenStoreState saveWithSocket() {
        access.enter();
        try {
            XenStoreState state = store.save(StoreSnapshot.ALL, rings.save());
            if (sockets.isEmpty()) {
                return state;
            }
            SocketTransport socket = sockets.getFirst();
            return state.withSockets(socket.fd(), socket.save());
        } finally {
            access.leave();
        }
    }

    /// The path of the socket that [#saveWithSocket] saves; null if there is none.
    public @Nullable Path socketPath() {
        List<SocketTransport> open = openSockets();
        return open.isEmpty() ? null : open.getFirst().path();
    }

    /// Another process serves the socket's clients now, while none is served here: [#close] ends no connection.
    public void handedOver() {
        openSockets().forEach(SocketTransport::handedOver);
    }

    /// Takes over the socket of another process with its clients. That process has them until [#proceed]: nothing is
    /// read, written or accepted before, and an earlier [#close] ends no connection.
    ///
    /// @param clients with descriptors of this process. The store has all nodes, as they were when these were saved
    /// @throws XenError EINVAL for a client that this store cannot have
    /// @throws IOException if they cannot be served; the message is for an operator
    public void takeOver(StreamListener listener, List<SocketState> clients)
            throws XenError, IOException {
        for (SocketState client : clients) {
            StoreRestoration.check(client.connection());
        }
        add(
                SocketTransport.takeOver(
                        access,
                        clientMemory,
                        listener,
                        clients,
                        hostMeters,
                        XenStoreServer::notServed));
    }

    /// Serves no client of a socket until [#proceed]. When this returns, none is being served. New clients wait.
    public void hold() throws InterruptedException {
        for (SocketTransport socket : openSockets()) {
            socket.hold();
        }
    }

    /// Serves the clients of sockets again, or for the first time those that were taken over.
    ///
    /// @throws IOException if the file of a socket has gone; all clients are served even so
    public void proceed() throws IOException {
        IOException failure = null;
        for (SocketTransport socket : openSockets()) {
            try {
                socket.proceed();
            } catch (IOException e) {
                failure = e;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    private List<SocketTransport> openSockets() {
        access.enter();
        try {
            return List.copyOf(sockets);
        } finally {
            access.leave();
        }
    }

    // --- the file

    /// Keeps the store in a file from now on. Takes over the file's contents, and tells no socket client of a change
    /// before it is on the disk. A change for which the disk has no room is answered with ENOSPC. Call it before
    /// [#listen(Path)]. The caller closes the journal, after the server.
    ///
    /// @param failed called once if the file cannot be written; then no client gets a reply any more
    /// @throws IOException if the file cannot be written
    public void persist(Journal file, Consumer<IOException> failed) throws IOException {
        if (!sockets.isEmpty()) {
            throw new IllegalStateException("clients of a socket have had replies already");
        }
        StoreImage image = file.recovered();
        if (image != null) {
            XenStoreState state =
                    XenStoreState.ofNodes(
                            StoreSnapshot.nodes(image.root(), StoreSnapshot.ALL),
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
        access.enter();
        try {
            store.keptIn(file::promise);
        } finally {
            access.leave();
        }
    }

    private StoreImage image() {
        access.enter();
        try {
            return store.image();
        } finally {
            access.leave();
        }
    }

    // --- the host

    /// A new client in this process, with the rights of domain 0.
    public XenStoreClient client() {
        return new XenStoreClient(access, listeners);
    }

    /// Serves the protocol on a Unix-domain socket, for host tools, with the rights of domain 0. If the socket cannot
    /// be served any more, its thread ends with an uncaught [UncheckedIOException]; the process decides what that
    /// means.
    ///
    /// @param path the socket's file; replaces a file that a daemon no longer serves
    /// @throws IOException if the socket cannot be made, or another process serves it; the message is for an operator
    public SocketTransport listen(Path path) throws IOException {
        return listen(StreamListener.bindService(path));
    }

    /// Serves the protocol on a socket in the same way.
    ///
    /// @throws IOException if it cannot be served
    public SocketTransport listen(StreamListener listener) throws IOException {
        return listen(listener, XenStoreServer::notServed);
    }

    private static void notServed(IOException e) {
        throw new UncheckedIOException("XenStore's socket: " + e.getMessage(), e);
    }

    /// Serves clients on an existing socket, which is closed with the server.
    ///
    /// @param failed called once if the socket cannot be served any more; it is closed then
    public SocketTransport listen(StreamListener listener, Consumer<IOException> failed)
            throws IOException {
        SocketTransport transport =
                SocketTransport.open(access, clientMemory, listener, hostMeters, journal, failed);
        add(transport);
        return transport;
    }

    private void add(SocketTransport transport) {
        access.enter();
        try {
            sockets.add(transport);
        } finally {
            access.leave();
        }
    }

    /// Closes the sockets and releases all domains, without removing their nodes.
    @Override
    public void close() {
        List<SocketTransport> open;
        access.enter();
        try {
            open = List.copyOf(sockets);
            sockets.clear();
            rings.close();
        } finally {
            access.leave();
        }
        open.forEach(SocketTransport::close);
        hostMeters.remove();
        metrics.removeTotals();
    }

    /// The store as the transports see it.
    StoreAccess access() {
        return access;
    }
}
