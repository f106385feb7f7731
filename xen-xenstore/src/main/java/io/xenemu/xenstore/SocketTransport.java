package io.xenemu.xenstore;

import java.io.IOException;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashSet;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Serves the protocol on a Unix-domain socket, on one thread, `xenstore-socket`. Clients have the rights of domain 0,
/// so the file has mode 0600.
public final class SocketTransport implements AutoCloseable {
    /// More clients than this wait in the socket's backlog: each may hold [SocketConnection#EVENT_BYTES] of output.
    static final int MAX_CONNECTIONS = 4096;

    private static final Logger LOG = LoggerFactory.getLogger(SocketTransport.class);
    private static final int BACKLOG = 128;
    private static final int READ_BYTES = 32 * 1024;
    private static final long ACCEPT_RETRY_MILLIS = 1000;

    private final XenStoreServer server;
    private final RequestMetrics metrics;
    private final Path path;
    private final Object fileKey;
    private final ServerSocketChannel listener;
    private final Selector selector;
    private final SelectionKey acceptKey;
    private final Thread thread;
    // Connections with new output from other threads.
    private final Queue<SocketConnection> ready = new ConcurrentLinkedQueue<>();
    // Only the thread itself uses these.
    private final Set<SocketConnection> connections = new HashSet<>();
    private final ByteBuffer readBuffer = ByteBuffer.allocateDirect(READ_BYTES);
    private volatile boolean closing;

    private SocketTransport(
            XenStoreServer server,
            RequestMetrics metrics,
            Path path,
            ServerSocketChannel listener,
            Selector selector)
            throws IOException {
        this.server = server;
        this.metrics = metrics;
        this.path = path;
        this.fileKey = fileKey(path);
        this.listener = listener;
        this.selector = selector;
        this.acceptKey = listener.register(selector, SelectionKey.OP_ACCEPT);
        this.thread = Thread.ofPlatform().name("xenstore-socket").daemon().unstarted(this::run);
    }

    /// @throws IOException with a message for an operator
    static SocketTransport open(XenStoreServer server, Path path, RequestMetrics metrics)
            throws IOException {
        if (Files.exists(path) && isServed(path)) {
            throw new IOException("XenStore socket is in use: " + path);
        }
        // Bound under another name and renamed when it has its mode: it never exists with a wider
        // one, and a leftover
        // file is replaced at once.
        Path fresh = path.resolveSibling(path.getFileName() + ".new");
        ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            Files.deleteIfExists(fresh);
            listener.bind(UnixDomainSocketAddress.of(fresh), BACKLOG);
            Files.setPosixFilePermissions(fresh, PosixFilePermissions.fromString("rw-------"));
            Files.move(fresh, path, StandardCopyOption.ATOMIC_MOVE);
            listener.configureBlocking(false);
            SocketTransport transport =
                    new SocketTransport(server, metrics, path, listener, Selector.open());
            transport.thread.start();
            return transport;
        } catch (IOException e) {
            listener.close();
            Files.deleteIfExists(fresh);
            throw new IOException("cannot serve XenStore at " + path + ": " + e.getMessage(), e);
        }
    }

    private static boolean isServed(Path path) throws IOException {
        try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            return probe.connect(UnixDomainSocketAddress.of(path));
        } catch (ConnectException e) {
            return false; // nobody listens: a leftover
        } catch (IOException e) {
            throw new IOException(
                    "cannot serve XenStore at " + path + ": it exists: " + e.getMessage(), e);
        }
    }

    private static Object fileKey(Path path) throws IOException {
        return Files.readAttributes(path, BasicFileAttributes.class).fileKey();
    }

    /// The socket's file.
    public Path path() {
        return path;
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
        if (Thread.currentThread().equals(thread)) {
            connection.outputReady();
        } else if (connection.markReady()) {
            ready.add(connection);
            selector.wakeup();
        }
    }

    private void run() {
        try {
            while (!closing) {
                selector.select(
                        this::handle, acceptKey.interestOps() == 0 ? ACCEPT_RETRY_MILLIS : 0);
                for (SocketConnection c = ready.poll(); c != null; c = ready.poll()) {
                    c.clearReady();
                    guarded(c, c::outputReady);
                }
                if (acceptKey.interestOps() == 0 && connections.size() < MAX_CONNECTIONS) {
                    acceptKey.interestOps(SelectionKey.OP_ACCEPT);
                }
            }
        } catch (IOException e) {
            LOG.error("XenStore socket {} stopped", path, e);
        } finally {
            cleanUp();
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

    private void accept() {
        try {
            SocketChannel channel = listener.accept();
            if (channel == null) {
                return;
            }
            channel.configureBlocking(false);
            SelectionKey key = channel.register(selector, SelectionKey.OP_READ);
            SocketConnection connection = new SocketConnection(this, channel, key);
            key.attach(connection);
            connections.add(connection);
            if (connections.size() >= MAX_CONNECTIONS) {
                acceptKey.interestOps(0);
            }
        } catch (IOException e) {
            LOG.warn("cannot accept a XenStore client: {}", e.getMessage());
            acceptKey.interestOps(
                    0); // out of descriptors; try again in a moment instead of at once
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
            if (Files.exists(path) && fileKey(path).equals(fileKey)) {
                Files.delete(path);
            }
        } catch (IOException e) {
            LOG.warn("cannot clean up XenStore socket {}: {}", path, e.getMessage());
        }
    }
}
