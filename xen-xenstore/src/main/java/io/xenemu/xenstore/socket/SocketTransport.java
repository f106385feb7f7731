package io.xenemu.xenstore.socket;

import com.google.common.util.concurrent.Uninterruptibles;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.ByteStream;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.socket.AcceptPause;
import io.xenemu.kvm.socket.PeerCredentials;
import io.xenemu.kvm.socket.StreamListener;
import io.xenemu.kvm.thread.Epoll;
import io.xenemu.xenstore.metrics.RequestMetrics;
import io.xenemu.xenstore.persist.Journal;
import io.xenemu.xenstore.request.StoreAccess;
import io.xenemu.xenstore.state.XenStoreState.SocketState;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Serves the protocol on a Unix-domain socket, on one thread, `xenstore-socket`. Clients have the rights of domain
/// 0, so only root and the user that the service runs as may connect.
///
/// Clients that have sent many requests take turns ([SocketConnection#takeTurn]): no client waits for another one's
/// thousands of requests, or for its costly ones.
///
/// Another process can take the socket over with its clients: [#save] there, and [#takeOver] here. They keep their
/// watches, transactions, requests that wait and output that they have not read.
public final class SocketTransport implements AutoCloseable {
    /// Further clients wait in the socket's backlog. [ClientMemory] limits what all clients hold together.
    static final int MAX_CONNECTIONS = 4096;

    /// Rounds of turns that share one commit to the journal, so that commits cost little compared with the requests.
    public static final int ROUNDS_PER_COMMIT = 8;

    /// Bytes that are read at once.
    static final int READ_BYTES = 32 * 1024;

    /// Bytes that are written at once, more than a socket takes by default.
    private static final int WRITE_BYTES = 256 * 1024;

    /// Unread output that another process takes over, of all clients together. Those beyond lose their connections: a
    /// frame of saved state has its limit, and they do not read.
    static final int MAX_SAVED_OUTPUT = 16 << 20;

    /// Descriptors that are told at once; further ones are told next.
    private static final int MOST_READY = 512;

    /// The keys of what is no connection.
    private static final long ACCEPT = -1;

    private static final long WAKE = -2;

    private static final int FIRST_DESCRIPTORS = 64;

    private static final Logger log = LoggerFactory.getLogger(SocketTransport.class);

    /// The time until a commit is retried for which there was no room.
    private static final int COMMIT_RETRY_MILLIS = 200;

    /// The interval at which a thread that holds the transport looks whether that has ended.
    private static final long LOOK_MILLIS = 100;

    /// Pause after a failure, so that one that repeats at once does not fill the log.
    private static final Duration RESTART_PAUSE = Duration.ofSeconds(1);

    private final StoreAccess access;
    private final ClientMemory memory;
    private final RequestMetrics metrics;
    private final StreamListener listener;
    private final PeerCredentials allowed;
    private final @Nullable Journal journal;
    private final Consumer<IOException> failed;
    private final Arena arena;
    private final MemorySegment readBuffer;
    private final MemorySegment writeBuffer;
    private final Epoll epoll;
    private final EventFd wakening;
    private final AtomicBoolean woken = new AtomicBoolean();

    /// Whether the eventfd is closed. Its monitor guards this, and is a leaf.
    @GuardedBy("wakening")
    private boolean ended;

    private final Thread thread;
    // Connections with new output from other threads.
    private final Queue<SocketConnection> ready = new ConcurrentLinkedQueue<>();
    // Used only by the transport's thread, or by another one while that stands still.
    private final Set<SocketConnection> connections = new HashSet<>();
    // By the numbers of their descriptors.
    private @Nullable SocketConnection[] byDescriptor = new SocketConnection[FIRST_DESCRIPTORS];
    private boolean accepting;
    // Whether some work was done since the last failure.
    private boolean served;
    private final Set<SocketConnection> turns = new LinkedHashSet<>();
    private final Set<SocketConnection> uncommitted = new LinkedHashSet<>();
    private final AcceptPause acceptPause = new AcceptPause();
    private int roundsSinceCommit;
    private volatile boolean closing;

    /// Set before the thread is started.
    private boolean started;

    /// Null while clients are served.
    private volatile @Nullable Hold hold;

    /// A time in which no client is served.
    ///
    /// @param begun when the transport's thread stands still
    /// @param over when it goes on
    private record Hold(CountDownLatch begun, CountDownLatch over) {}

    /// @param arena for its buffers; closed with it, and by the caller if this fails
    private SocketTransport(
            Arena arena,
            StoreAccess access,
            ClientMemory memory,
            RequestMetrics metrics,
            StreamListener listener,
            @Nullable Journal journal,
            Consumer<IOException> failed)
            throws IOException {
        this.arena = arena;
        readBuffer = arena.allocate(READ_BYTES, Long.BYTES);
        writeBuffer = arena.allocate(WRITE_BYTES, Long.BYTES);
        this.access = access;
        this.memory = memory;
        this.journal = journal;
        this.failed = failed;
        this.metrics = metrics;
        this.listener = listener;
        this.allowed = PeerCredentials.ofThisProcess();
        this.epoll = new Epoll(MOST_READY);
        boolean done = false;
        try {
            this.wakening = EventFd.create();
            done = true;
        } finally {
            if (!done) {
                epoll.close();
            }
        }
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
            StreamListener listener,
            RequestMetrics metrics,
            @Nullable Journal journal,
            Consumer<IOException> failed)
            throws IOException {
        SocketTransport transport = make(access, memory, listener, metrics, journal, failed);
        transport.start();
        return transport;
    }

    /// Takes over a socket of another process with its clients. That process has them until [#proceed]: nothing is
    /// read, written or accepted before, and an earlier [#close] ends no connection.
    ///
    /// @param clients checked; their descriptors are this process's, and taken. The store has their nodes
    /// @param failed as for [#open]
    public static SocketTransport takeOver(
            StoreAccess access,
            ClientMemory memory,
            StreamListener listener,
            List<SocketState> clients,
            RequestMetrics metrics,
            Consumer<IOException> failed)
            throws IOException {
        SocketTransport transport = make(access, memory, listener, metrics, null, failed);
        for (SocketState client : clients) {
            SocketConnection connection = transport.add(ByteStream.received(client.descriptor()));
            access.enter();
            try {
                connection.restore(client.connection());
            } finally {
                access.leave();
            }
        }
        return transport;
    }

    private static SocketTransport make(
            StoreAccess access,
            ClientMemory memory,
            StreamListener listener,
            RequestMetrics metrics,
            @Nullable Journal journal,
            Consumer<IOException> failed)
            throws IOException {
        Arena arena = Arena.ofShared();
        boolean done = false;
        try {
            SocketTransport made =
                    new SocketTransport(arena, access, memory, metrics, listener, journal, failed);
            done = true;
            return made;
        } catch (KvmException e) {
            throw new IOException(listener.path() + ": " + e.getMessage(), e);
        } finally {
            if (!done) {
                arena.close();
                listener.close();
            }
        }
    }

    private void start() {
        started = true;
        thread.start();
    }

    /// The socket's file.
    public Path path() {
        return listener.path();
    }

    /// Serves no client until [#proceed]. When this returns, none is being served.
    public void hold() throws InterruptedException {
        Hold now = new Hold(new CountDownLatch(1), new CountDownLatch(1));
        hold = now;
        wake();
        boolean begun = false;
        // The thread may end for another reason.
        while (!begun && thread.isAlive()) {
            begun = now.begun().await(LOOK_MILLIS, TimeUnit.MILLISECONDS);
        }
    }

    /// The clients' states, while none is served. Their descriptors are this process's. Those that lose their
    /// connections are left out. The lock is held.
    public List<SocketState> save() {
        List<SocketState> states = new ArrayList<>();
        long bytes = 0;
        int left = 0;
        for (SocketConnection connection : connections) {
            long unread = connection.behind();
            if (connection.isGoing()) {
                continue;
            }
            if (bytes + unread > MAX_SAVED_OUTPUT) {
                left++;
                continue;
            }
            bytes += unread;
            states.add(connection.save());
        }
        if (left > 0) {
            log.warn("{}: {} clients read too little to be taken along", path(), left);
        }
        return states;
    }

    /// The number of the listening socket's descriptor. This object keeps the ownership.
    public int fd() {
        return listener.fd();
    }

    /// Another process serves the clients and the file now, while none is served here: [#close] only closes this
    /// process's descriptors.
    public void handedOver() {
        listener.leaveFile();
    }

    /// Serves clients again, or for the first time those that were taken over.
    ///
    /// @throws IOException if the socket's file has gone; the clients are served even so
    public void proceed() throws IOException {
        if (started) {
            goOn();
            return;
        }
        try {
            listener.ownFile();
        } finally {
            start();
        }
    }

    private void goOn() {
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
        if (!started) {
            cleanUp();
            return;
        }
        goOn();
        wake();
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

    Epoll epoll() {
        return epoll;
    }

    MemorySegment writeBuffer() {
        return writeBuffer;
    }

    /// Wakes the transport's thread, or keeps it from its next sleep.
    private void wake() {
        if (woken.compareAndSet(false, true)) {
            synchronized (wakening) {
                if (!ended) {
                    wakening.signal();
                }
            }
        }
    }

    /// Makes the transport's thread write queued output. Called without the lock, on any thread.
    void outputReady(SocketConnection connection) {
        boolean own = Thread.currentThread().equals(thread);
        if (own && journal == null) {
            connection.outputReady();
        } else if (connection.markReady()) {
            ready.add(connection); // with a journal, one commit serves all that had requests
            if (!own) {
                wake();
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
                epoll.follow(wakening.fd(), WAKE, true, false);
                connections.forEach(SocketConnection::start);
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
            if (closing) {
                return; // another process may have the clients
            }
            accept(acceptPause.millisLeft() == 0 && connections.size() < MAX_CONNECTIONS);
            int told = epoll.await(turns.isEmpty() ? timeout() : 0);
            for (int i = 0; i < told; i++) {
                handle(i);
            }
            takeTurns();
            writeReady();
            served = true;
        }
    }

    /// Milliseconds to wait at most; negative for no limit.
    private int timeout() {
        int accept = (int) acceptPause.millisLeft();
        if (uncommitted.isEmpty()) {
            return accept == 0 ? -1 : accept;
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

    private void handle(int told) {
        long key = epoll.key(told);
        if (key == ACCEPT) {
            accept();
        } else if (key == WAKE) {
            long _ = wakening.drain();
            woken.set(false);
        } else {
            SocketConnection connection = byDescriptor[(int) key];
            if (connection != null) {
                boolean readable = epoll.isReadable(told);
                boolean writable = epoll.isWritable(told);
                guarded(connection, () -> connection.handle(readable, writable, readBuffer));
            }
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

    /// Sets whether clients are accepted.
    private void accept(boolean now) {
        if (now == accepting) {
            return;
        }
        if (now) {
            epoll.follow(listener.fd(), ACCEPT, true, false);
        } else {
            epoll.remove(listener.fd());
        }
        accepting = now;
    }

    private void accept() {
        try {
            ByteStream stream = listener.accept();
            if (acceptPause.worked()) {
                log.warn("{}: accepts clients again", path());
            }
            if (stream != null) {
                connect(stream);
            }
        } catch (IOException e) {
            // Most likely there are no descriptors left.
            if (acceptPause.failed()) {
                log.warn("{}: cannot accept clients: {}", path(), e.getMessage());
            }
        }
    }

    private void connect(ByteStream stream) {
        try {
            int user = allowed.check(stream);
            log.debug("{}: a client of user {}", path(), user);
        } catch (IOException e) {
            log.debug("{}: refused a client: {}", path(), e.getMessage());
            stream.close();
            return;
        }
        add(stream).start();
        if (connections.size() >= MAX_CONNECTIONS) {
            accept(false);
        }
    }

    private SocketConnection add(ByteStream stream) {
        SocketConnection connection = new SocketConnection(this, stream);
        int descriptor = stream.fd();
        if (descriptor >= byDescriptor.length) {
            byDescriptor =
                    Arrays.copyOf(byDescriptor, Math.max(descriptor + 1, 2 * byDescriptor.length));
        }
        byDescriptor[descriptor] = connection;
        connections.add(connection);
        return connection;
    }

    void closed(SocketConnection connection) {
        connections.remove(connection);
        byDescriptor[connection.fd()] = null;
        turns.remove(connection);
        uncommitted.remove(connection);
        acceptPause.end();
    }

    private void cleanUp() {
        Set.copyOf(connections).forEach(SocketConnection::close);
        epoll.close();
        synchronized (wakening) {
            ended = true;
            wakening.close();
        }
        arena.close();
        try {
            listener.close();
        } catch (IOException e) {
            log.warn("cannot clean up XenStore socket {}: {}", path(), e.getMessage());
        }
    }
}
