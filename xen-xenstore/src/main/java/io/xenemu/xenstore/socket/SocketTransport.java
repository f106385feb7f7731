package io.xenemu.xenstore.socket;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.kvm.socket.AcceptPause;
import io.xenemu.kvm.socket.PeerCredentials;
import io.xenemu.kvm.socket.UnixListener;
import io.xenemu.xenstore.metrics.RequestMetrics;
import io.xenemu.xenstore.persist.Journal;
import io.xenemu.xenstore.request.StoreAccess;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.nio.file.attribute.UserPrincipal;
import java.time.Duration;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Serves the protocol on a Unix-domain socket, on one thread, `xenstore-socket`. Clients have the rights of domain
/// 0, so only root and the user that the service runs as may connect.
///
/// Clients that have sent many requests take turns ([SocketConnection#takeTurn]): no client waits for another one's
/// thousands of requests, or for its costly ones.
public final class SocketTransport implements AutoCloseable {
    /// Further clients wait in the socket's backlog. [ClientMemory] limits what all clients hold together.
    static final int MAX_CONNECTIONS = 4096;

    /// Rounds of turns that share one commit to the journal, so that commits cost little compared with the requests.
    public static final int ROUNDS_PER_COMMIT = 8;

    private static final Logger log = LoggerFactory.getLogger(SocketTransport.class);
    private static final int READ_BYTES = 32 * 1024;

    /// The time until a commit is retried for which there was no room.
    private static final long COMMIT_RETRY_MILLIS = 200;

    /// The interval at which a thread that holds the transport looks whether that has ended.
    private static final long LOOK_MILLIS = 100;

    /// Pause after a failure, so that one that repeats at once does not fill the log.
    private static final Duration RESTART_PAUSE = Duration.ofSeconds(1);

    private final StoreAccess access;
    private final ClientMemory memory;
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
    // Used only by the transport's thread.
    private final Set<SocketConnection> connections = new HashSet<>();
    // Whether some work was done since the last failure.
    private boolean served;
    private final Set<SocketConnection> turns = new LinkedHashSet<>();
    private final Set<SocketConnection> uncommitted = new LinkedHashSet<>();
    private final AcceptPause acceptPause = new AcceptPause();
    private int roundsSinceCommit;
    private final ByteBuffer readBuffer = ByteBuffer.allocateDirect(READ_BYTES);
    private volatile boolean closing;

    /// Null while clients are served.
    private volatile @Nullable Hold hold;

    /// A time in which no client is served.
    ///
    /// @param begun when the transport's thread stands still
    /// @param over when it goes on
    private record Hold(CountDownLatch begun, CountDownLatch over) {}

    private SocketTransport(
            StoreAccess access,
            ClientMemory memory,
            RequestMetrics metrics,
            UnixListener listener,
            @Nullable Journal journal,
            Consumer<IOException> failed,
            Selector selector)
            throws IOException {
        this.access = access;
        this.memory = memory;
        this.journal = journal;
        this.failed = failed;
        this.metrics = metrics;
        this.listener = listener;
        this.allowed = PeerCredentials.ofThisProcess();
        this.selector = selector;
        this.acceptKey = listener.channel().register(selector, SelectionKey.OP_ACCEPT);
        this.thread = Thread.ofPlatform().name("xenstore-socket").daemon().unstarted(this::run);
    }

    /// Serves a socket, and closes it at the end.
    ///
    /// @param memory the limit of the bytes that all socket clients of the store hold together
    /// @param failed called once, on the transport's thread, if it ends in another way than by [#close]; then no
    ///     client is served any more
    public static SocketTransport open(
            StoreAccess access,
            ClientMemory memory,
            UnixListener listener,
            RequestMetrics metrics,
            @Nullable Journal journal,
            Consumer<IOException> failed)
            throws IOException {
        try {
            listener.channel().configureBlocking(false);
            SocketTransport transport =
                    new SocketTransport(
                            access, memory, metrics, listener, journal, failed, Selector.open());
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

    /// Serves no client until [#proceed]. When this returns, none is being served.
    public void hold() throws InterruptedException {
        Hold now = new Hold(new CountDownLatch(1), new CountDownLatch(1));
        hold = now;
        selector.wakeup();
        boolean begun = false;
        // The thread may end for another reason.
        while (!begun && thread.isAlive()) {
            begun = now.begun().await(LOOK_MILLIS, TimeUnit.MILLISECONDS);
        }
    }

    /// Serves clients again.
    public void proceed() {
        Hold last = hold;
        hold = null;
        if (last != null) {
            last.over().countDown();
        }
    }

    private void standStill() {
        Hold now = hold;
        if (now != null) {
            now.begun().countDown();
            Uninterruptibles.awaitUninterruptibly(now.over());
        }
    }

    /// Ends all connections and removes the file, unless another daemon has put its own there.
    @Override
    public void close() {
        closing = true;
        proceed();
        selector.wakeup();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    StoreAccess access() {
        return access;
    }

    ClientMemory memory() {
        return memory;
    }

    RequestMetrics metrics() {
        return metrics;
    }

    /// Makes the transport's thread write queued output. Called without the lock, on any thread.
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

    /// Commits all changes that output taken so far may tell of.
    ///
    /// @param connection the connection of that output
    /// @return false if the disk has no room for them; the connection's write is retried when there is
    /// @throws IOException if they cannot be committed; no output may be written then
    boolean commit(SocketConnection connection) throws IOException {
        if (journal == null || journal.commit()) {
            return true;
        }
        uncommitted.add(connection);
        return false;
    }

    /// Lets a connection take another turn, after all others that wait for one.
    void awaitTurn(SocketConnection connection) {
        turns.add(connection);
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

    /// Serves until an exception that belongs to no single client, such as a full heap. Then all clients lose their
    /// connections, as if the service had been restarted; unless nothing was served since the last failure.
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
            log.error(
                    "{}: all clients have been disconnected, since their thread failed", path(), e);
            Uninterruptibles.sleepUninterruptibly(RESTART_PAUSE);
        }
    }

    private void serve() throws IOException {
        while (!closing) {
            standStill();
            if (turns.isEmpty()) {
                selector.select(this::handle, timeout());
            } else {
                selector.selectNow(this::handle);
            }
            takeTurns();
            writeReady();
            if (acceptKey.interestOps() == 0
                    && acceptPause.millisLeft() == 0
                    && connections.size() < MAX_CONNECTIONS) {
                acceptKey.interestOps(SelectionKey.OP_ACCEPT);
            }
            served = true;
        }
    }

    /// Milliseconds to wait for the selector at most; 0 for no limit.
    private long timeout() {
        long accept = acceptPause.millisLeft();
        if (uncommitted.isEmpty()) {
            return accept;
        }
        return accept == 0 ? COMMIT_RETRY_MILLIS : Math.min(accept, COMMIT_RETRY_MILLIS);
    }

    /// Runs one turn of each connection that waits for one now.
    private void takeTurns() {
        if (turns.isEmpty()) {
            return;
        }
        List<SocketConnection> round = List.copyOf(turns);
        turns.clear();
        for (SocketConnection connection : round) {
            guarded(connection, connection::takeTurn);
        }
    }

    /// Writes output queued by other threads; with a journal all output, once for some rounds of turns.
    private void writeReady() {
        if (journal != null && !turns.isEmpty() && ++roundsSinceCommit < ROUNDS_PER_COMMIT) {
            return;
        }
        roundsSinceCommit = 0;
        if (!uncommitted.isEmpty()) {
            List<SocketConnection> again = List.copyOf(uncommitted);
            uncommitted.clear();
            again.forEach(connection -> guarded(connection, connection::write));
        }
        for (SocketConnection c = ready.poll(); c != null; c = ready.poll()) {
            c.clearReady();
            guarded(c, c::outputReady);
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
            log.error("a XenStore connection failed", e); // our bug; the other clients go on
            connection.close();
        }
    }

    /// Handles a failure of a connection's output. Other threads only pass output to this one, so they close nothing.
    void failed(SocketConnection connection, Throwable failure) {
        log.error("a XenStore connection failed", failure); // our bug; the other clients go on
        if (Thread.currentThread().equals(thread)) {
            connection.close();
        }
    }

    private void accept() {
        try {
            SocketChannel channel = listener.channel().accept();
            if (acceptPause.worked()) {
                log.warn("{}: accepts clients again", path());
            }
            if (channel != null) {
                connect(channel);
            }
        } catch (IOException e) {
            // Most likely there are no descriptors left.
            if (acceptPause.failed()) {
                log.warn("{}: cannot accept clients: {}", path(), e.getMessage());
            }
            acceptKey.interestOps(0);
        }
    }

    private void connect(SocketChannel channel) throws IOException {
        try {
            UserPrincipal user = allowed.check(channel);
            log.debug("{}: a client of user {}", path(), user.getName());
            channel.configureBlocking(false);
            SelectionKey key = channel.register(selector, SelectionKey.OP_READ);
            SocketConnection connection = new SocketConnection(this, channel, key);
            key.attach(connection);
            connections.add(connection);
        } catch (IOException e) {
            log.debug("{}: refused a client: {}", path(), e.getMessage());
            channel.close();
        }
        if (connections.size() >= MAX_CONNECTIONS) {
            acceptKey.interestOps(0);
        }
    }

    void closed(SocketConnection connection) {
        connections.remove(connection);
        turns.remove(connection);
        uncommitted.remove(connection);
        acceptPause.end();
    }

    private void cleanUp() {
        Set.copyOf(connections).forEach(SocketConnection::close);
        try {
            selector.close();
            listener.close();
        } catch (IOException e) {
            log.warn("cannot clean up XenStore socket {}: {}", path(), e.getMessage());
        }
    }
}
