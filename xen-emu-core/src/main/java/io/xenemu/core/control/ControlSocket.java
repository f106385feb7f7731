package io.xenemu.core.control;

import static java.util.Comparator.comparingLong;
import static java.util.stream.Collectors.counting;
import static java.util.stream.Collectors.groupingBy;

import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.socket.AcceptPause;
import io.xenemu.kvm.socket.PeerCredentials;
import io.xenemu.kvm.socket.UnixListener;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.nio.file.attribute.UserPrincipal;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Where operators reach a running service: a Unix socket that its owner and root can use, and a group if one is given.
/// What the two sides say is in [ControlProtocol].
public final class ControlSocket implements AutoCloseable {
    /// Connections at a time: an operator's commands, a few watchdogs, and consoles. For one more, a client that asks
    /// nothing has to go, else it is refused.
    static final int MAX_CONNECTIONS = 64;

    /// Sessions and commands that wait for guests at a time. Each may last for ever. The rest of the connections is
    /// reserved for commands that end soon, such as one that ends a guest.
    static final int MAX_SESSIONS = MAX_CONNECTIONS - 16;

    /// How long a client may take for a request before it is cut off; the commands ask at once.
    private static final Duration IDLE = Duration.ofMinutes(1);

    private static final Logger log = LoggerFactory.getLogger(ControlSocket.class);

    /// How long a client that is refused may take to read that.
    private static final Duration REFUSAL_LIMIT = Duration.ofSeconds(1);

    /// How long the end of a connection may take that makes room.
    private static final Duration ROOM_LIMIT = Duration.ofSeconds(1);

    private final UnixListener listener;
    private final PeerCredentials allowed;
    private final ServedConnection.Terms terms;
    private final Semaphore free = new Semaphore(MAX_CONNECTIONS);
    private final Set<SocketChannel> open = ConcurrentHashMap.newKeySet();
    private final Set<ServedConnection> served = ConcurrentHashMap.newKeySet();
    private final ExecutorService threads =
            Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("control").factory());
    private final CountDownLatch closing = new CountDownLatch(1);
    private volatile boolean closed;

    private ControlSocket(
            UnixListener listener,
            PeerCredentials allowed,
            ControlCommands commands,
            Duration idle) {
        this.listener = listener;
        this.allowed = allowed;
        terms = new ServedConnection.Terms(commands, new Semaphore(MAX_SESSIONS), idle);
    }

    /// Serves `commands` at `path`, in place of a socket there that nobody serves any more.
    ///
    /// @param group a group whose members may use it, too, or null
    /// @param commands called by several threads
    /// @throws IOException when the socket is in use, or cannot be made, or cannot be given to the group
    public static ControlSocket open(Path path, @Nullable String group, ControlCommands commands)
            throws IOException {
        return open(path, group, commands, IDLE);
    }

    /// The same.
    ///
    /// @param idle how long a client may take for one request
    static ControlSocket open(
            Path path, @Nullable String group, ControlCommands commands, Duration idle)
            throws IOException {
        PeerCredentials allowed =
                group == null ? PeerCredentials.ofThisProcess() : PeerCredentials.ofFileMode();
        UnixListener listener =
                group == null ? UnixListener.bind(path) : UnixListener.bind(path, group);
        ControlSocket socket = new ControlSocket(listener, allowed, commands, idle);
        socket.threads.execute(socket::accept);
        return socket;
    }

    private void accept() {
        AcceptPause pause = new AcceptPause();
        while (!closed) {
            try {
                admit(listener.channel().accept());
                if (pause.worked()) {
                    log.warn("control socket {}: accepts connections again", listener.path());
                }
            } catch (ClosedChannelException e) {
                return;
            } catch (IOException | RuntimeException | Error e) {
                // Out of descriptors or of memory, most likely, which may pass.
                if (pause.failed()) {
                    log.warn(
                            "control socket {}: cannot accept connections: {}",
                            listener.path(),
                            e.toString());
                }
                if (!retryAfter(pause.millisLeft())) {
                    return;
                }
            }
        }
    }

    private boolean retryAfter(long millis) {
        try {
            return !closing.await(millis, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private void admit(SocketChannel client) throws IOException {
        try {
            UserPrincipal user = allowed.check(client);
            log.debug("{}: a client of user {}", listener.path(), user.getName());
            if (free.tryAcquire() || (makeRoom() && awaitRoom())) {
                start(client, user.getName());
            } else {
                refuse(client, new Refused(Refused.Kind.BUSY, "too many connections"));
            }
        } catch (IOException e) {
            log.debug("{}: refused a client: {}", listener.path(), e.getMessage());
            refuse(client, new Refused(Refused.Kind.DENIED, String.valueOf(e.getMessage())));
        } catch (RuntimeException | Error e) {
            client.close();
            throw e;
        }
    }

    /// Ends a connection that asks nothing: of the user who has most of all connections the one that is idle for
    /// longest.
    ///
    /// @return false if all have been asked something
    private boolean makeRoom() throws IOException {
        Map<String, Long> counts =
                served.stream().collect(groupingBy(ServedConnection::user, counting()));
        record Idle(ServedConnection connection, long nanos, long count) {}
        List<Idle> idle =
                served.stream()
                        .map(it -> new Idle(it, it.waited(), counts.getOrDefault(it.user(), 0L)))
                        .filter(it -> it.nanos >= 0)
                        .sorted(
                                comparingLong(Idle::count)
                                        .thenComparingLong(Idle::nanos)
                                        .reversed())
                        .toList();
        for (Idle one : idle) {
            if (one.connection.makeRoom()) {
                log.debug("{}: a client of {} makes room", listener.path(), one.connection.user());
                return true;
            }
        }
        return false;
    }

    private boolean awaitRoom() {
        try {
            return free.tryAcquire(ROOM_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private static void refuse(SocketChannel client, Refused refusal) throws IOException {
        try (client) {
            new ControlOutput(client, REFUSAL_LIMIT).refusal(refusal);
        }
    }

    private void start(SocketChannel client, String user) throws IOException {
        boolean started = false;
        try {
            open.add(client);
            threads.execute(() -> serve(client, user));
            started = true;
        } catch (RejectedExecutionException e) {
            log.debug("{}: closed just now", listener.path());
        } finally {
            if (!started) {
                open.remove(client);
                free.release();
                client.close();
            }
        }
    }

    private void serve(SocketChannel client, String user) {
        ServedConnection connection = new ServedConnection(client, user, terms);
        try (client) {
            served.add(connection);
            // closed is looked at after the client is in the set, which close() empties after it
            // has set it.
            if (!closed) {
                connection.serve();
            }
        } catch (IOException e) {
            log.debug("a client of {} has gone: {}", listener.path(), e.toString());
        } catch (RuntimeException | Error e) {
            log.error("{}: a connection failed", listener.path(), e);
        } finally {
            served.remove(connection);
            open.remove(client);
            free.release();
        }
    }

    /// Ends all connections, waits for the commands that are under way, and removes the file.
    @Override
    public void close() throws IOException {
        closed = true;
        closing.countDown();
        listener.close();
        for (SocketChannel client : open) {
            client.close();
        }
        // Some wait for a guest.
        threads.shutdownNow();
        threads.close();
    }
}
