package io.xenemu.xenstore;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.kvm.socket.PeerCredentials;
import io.xenemu.kvm.socket.UnixListener;
import io.xenemu.xenstore.persist.Journal;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.nio.file.attribute.UserPrincipal;
import java.time.Duration;
import java.util.HashSet;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Serves the protocol on a Unix-domain socket, on one thread, `xenstore-socket`. Clients have the rights of domain 0,
/// so only root and the user that the service runs as may be one.
public final class SocketTransport implements AutoCloseable {
    /// More clients than this wait in the socket's backlog: each may hold [SocketConnection#EVENT_BYTES] of output.
    static final int MAX_CONNECTIONS = 4096;

    private static final Logger LOG = LoggerFactory.getLogger(SocketTransport.class);
    private static final int READ_BYTES = 32 * 1024;
    private static final long ACCEPT_RETRY_MILLIS = 1000;

    /// What fails at once again does not fill the log.
    private static final Duration RESTART_PAUSE = Duration.ofSeconds(1);

    private final XenStoreServer server;
    private final RequestMetrics metrics;
    private final UnixListener listener;
    private final PeerCredentials allowed;
    private final @Nullable Journal journal;
    private final Consumer<IOException> failed;
    private final Selector selector;
    private final SelectionKey acceptKey;
    private final Thread thread;
    // Connections with new output from other threads.
    private final Queue<SocketConnection> ready = new ConcurrentLinkedQueue<>();
    // Only the thread itself uses these.
    private final Set<SocketConnection> connections = new HashSet<>();
    // Whether there has been something to do, and it was done, since the last failure.
    private boolean served;
    private final ByteBuffer readBuffer = ByteBuffer.allocateDirect(READ_BYTES);
    private volatile boolean closing;

    private SocketTransport(
            XenStoreServer server,
            RequestMetrics metrics,
            UnixListener listener,
            @Nullable Journal journal,
            Consumer<IOException> failed,
            Selector selector)
            throws IOException {
        this.server = server;
        this.journal = journal;
        this.failed = failed;
        this.metrics = metrics;
        this.listener = listener;
        this.allowed = PeerCredentials.ofThisProcess();
        this.selector = selector;
        this.acceptKey = listener.channel().register(selector, SelectionKey.OP_ACCEPT);
        this.thread = Thread.ofPlatform().name("xenstore-socket").daemon().unstarted(this::run);
    }

    /// Serves a socket, and closes it in the end.
    ///
    /// @param failed is told once, on the transport's thread, if it ends otherwise than by [#close]: nobody is
    ///     served any more then
    static SocketTransport open(
            XenStoreServer server,
            UnixListener listener,
            RequestMetrics metrics,
            @Nullable Journal journal,
            Consumer<IOException> failed)
            throws IOException {
        try {
            listener.channel().configureBlocking(false);
            SocketTransport transport =
                    new SocketTransport(
                            server, metrics, listener, journal, failed, Selector.open());
            transport.thread.start();
            return transport;
        } catch (IOException e) {
            listener.close();
            throw e;
        }
    }

    /// The socket's file.
    public Path path() {
        return listener.path();
    }

    /// Ends all connections and removes the file, unless another daemon has put its own there.
    @Override
    public void close() {
        closing = true;
        selector.wakeup();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    XenStoreServer server() {
        return server;
    }

    RequestMetrics metrics() {
        return metrics;
    }

    /// Has the transport's thread write what is queued. Called without the lock, on any thread.
    void outputReady(SocketConnection connection) {
        boolean own = Thread.currentThread().equals(thread);
        if (own && journal == null) {
            connection.outputReady();
        } else if (connection.markReady()) {
            ready.add(connection); // with a journal, one commit serves all that had requests
            if (!own) {
                selector.wakeup();
            }
        }
    }

    /// Returns when the changes that any output taken before may speak of are on the disk.
    ///
    /// @throws IOException if they cannot be; no output may be written then
    void commit() throws IOException {
        if (journal != null) {
            journal.commit();
        }
    }

    private void run() {
        try {
            try {
                while (!closing) {
                    serveUntilFailure();
                }
            } finally {
                cleanUp();
            }
        } catch (IOException | RuntimeException | Error e) {
            failed.accept(new IOException(path() + ": cannot be served any more: " + e, e));
        }
    }

    /// Whose failure it is cannot be told, or there is no heap left: all clients lose their connections, as if the service
    /// had been started again. Unless that was of no use the last time.
    private void serveUntilFailure() throws IOException {
        try {
            serve();
        } catch (RuntimeException | Error e) {
            if (!served) {
                throw e;
            }
            served = false;
            Set.copyOf(connections).forEach(SocketConnection::close);
            ready.clear();
            LOG.error(
                    "{}: all clients have been disconnected, since their thread failed", path(), e);
            Uninterruptibles.sleepUninterruptibly(RESTART_PAUSE);
        }
    }

    private void serve() throws IOException {
        while (!closing) {
            selector.select(this::handle, acceptKey.interestOps() == 0 ? ACCEPT_RETRY_MILLIS : 0);
            for (SocketConnection c = ready.poll(); c != null; c = ready.poll()) {
                c.clearReady();
                guarded(c, c::outputReady);
            }
            if (acceptKey.interestOps() == 0 && connections.size() < MAX_CONNECTIONS) {
                acceptKey.interestOps(SelectionKey.OP_ACCEPT);
            }
            served = true;
        }
    }

    private void handle(SelectionKey key) {
        if (key.equals(acceptKey)) {
            accept();
        } else if (key.attachment() instanceof SocketConnection connection) {
            guarded(connection, () -> connection.handle(readBuffer));
        }
    }

    private static void guarded(SocketConnection connection, Runnable work) {
        try {
            work.run();
        } catch (RuntimeException e) {
            LOG.error("a XenStore connection failed", e); // our bug; the other clients go on
            connection.close();
        }
    }

    /// A connection's output could not be moved on. Other threads only ask this one for that, so on them there is nothing to close.
    void failed(SocketConnection connection, Throwable failure) {
        LOG.error("a XenStore connection failed", failure); // our bug; the other clients go on
        if (Thread.currentThread().equals(thread)) {
            connection.close();
        }
    }

    private void accept() {
        try {
            SocketChannel channel = listener.channel().accept();
            if (channel != null) {
                connect(channel);
            }
        } catch (IOException e) {
            LOG.warn("cannot accept a XenStore client: {}", e.getMessage());
            acceptKey.interestOps(
                    0); // out of descriptors; try again in a moment instead of at once
        }
    }

    private void connect(SocketChannel channel) throws IOException {
        try {
            UserPrincipal user = allowed.check(channel);
            LOG.debug("{}: a client of user {}", path(), user.getName());
            channel.configureBlocking(false);
            SelectionKey key = channel.register(selector, SelectionKey.OP_READ);
            SocketConnection connection = new SocketConnection(this, channel, key);
            key.attach(connection);
            connections.add(connection);
        } catch (IOException e) {
            LOG.debug("{}: refused a client: {}", path(), e.getMessage());
            channel.close();
        }
        if (connections.size() >= MAX_CONNECTIONS) {
            acceptKey.interestOps(0);
        }
    }

    void closed(SocketConnection connection) {
        connections.remove(connection);
    }

    private void cleanUp() {
        Set.copyOf(connections).forEach(SocketConnection::close);
        try {
            selector.close();
            listener.close();
        } catch (IOException e) {
            LOG.warn("cannot clean up XenStore socket {}: {}", path(), e.getMessage());
        }
    }
}
