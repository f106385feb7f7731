package io.xenemu.core.control;

import static java.util.Comparator.comparingLong;
import static java.util.stream.Collectors.counting;
import static java.util.stream.Collectors.groupingBy;

import com.google.common.util.concurrent.Uninterruptibles;
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

/// The Unix socket by which operators reach a running service. Its owner and root can use it, and a group if one is
/// given. The protocol is in [ControlProtocol].
public final class ControlSocket implements AutoCloseable {
    /// The most connections at a time: enough for an operator's commands, a few watchdogs, and consoles. One more
    /// replaces a client that asks nothing, and is refused if there is no such client.
    static final int MAX_CONNECTIONS = 64;

    /// The most sessions and commands that wait for guests at a time. Each may last without a limit. The other
    /// connections are reserved for commands that end soon, such as one that ends a guest.
    static final int MAX_SESSIONS = MAX_CONNECTIONS - 16;

    /// Time for a client to send a request before it is cut off. The program's own commands send it at once.
    private static final Duration IDLE = Duration.ofMinutes(1);

    private static final Logger log = LoggerFactory.getLogger(ControlSocket.class);

    /// Time for a refused client to read the refusal.
    private static final Duration REFUSAL_LIMIT = Duration.ofSeconds(1);

    /// Time for a connection that makes room to end.
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

    /// No client is accepted any more.
    private final CountDownLatch accepted = new CountDownLatch(1);

    private volatile boolean closed;
    private volatile boolean leaving;

    private ControlSocket(
            UnixListener listener,
            PeerCredentials allowed,
            ControlCommands commands,
            Duration idle) {
        this.listener = listener;
        this.allowed = allowed;
        terms = new ServedConnection.Terms(commands, new Semaphore(MAX_SESSIONS), idle);
    }

    /// Serves `commands` at `path`, and replaces a socket there that no process serves any more.
    ///
    /// @param group a group whose members may use it, too, or null
    /// @param commands called by several threads
    /// @throws IOException when the socket is in use, or cannot be made, or cannot be given to the group
    public static ControlSocket open(Path path, @Nullable String group, ControlCommands commands)
            throws IOException {
        return open(path, group, commands, IDLE);
    }

    /// Serves `commands` on an existing socket, which is closed with this object.
    ///
    /// @param group whose members may use it, too, or null
    /// @param commands called by several threads
    public static ControlSocket open(
            UnixListener listener, @Nullable String group, ControlCommands commands)
            throws IOException {
        return open(listener, group, commands, IDLE);
    }

    /// Serves `commands` at `path` with another time limit: see [#open(Path, String, ControlCommands)].
    ///
    /// @param idle time for a client to send one request
    static ControlSocket open(
            Path path, @Nullable String group, ControlCommands commands, Duration idle)
            throws IOException {
        return open(
                group == null ? UnixListener.bind(path) : UnixListener.bind(path, group),
                group,
                commands,
                idle);
    }

    private static ControlSocket open(
            UnixListener listener, @Nullable String group, ControlCommands commands, Duration idle)
            throws IOException {
        PeerCredentials allowed =
                group == null ? PeerCredentials.ofThisProcess() : PeerCredentials.ofFileMode();
        ControlSocket socket = new ControlSocket(listener, allowed, commands, idle);
        socket.threads.execute(socket::accept);
        return socket;
    }

    private void accept() {
        try {
            acceptUntilClosed();
        } finally {
            accepted.countDown();
        }
    }

    private void acceptUntilClosed() {
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
                // Most likely a lack of descriptors or memory, which may pass.
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

    /// Leaves clients that come from now on to another process, which will be found at the path. They get no greeting,
    /// and come again when this process has ended. One beyond [#MAX_CONNECTIONS] is refused, as ever.
    public void leave() {
        leaving = true;
    }

    private void admit(SocketChannel client) throws IOException {
        try {
            UserPrincipal user = allowed.check(client);
            log.debug("{}: a client of user {}", listener.path(), user.getName());
            if (!free.tryAcquire() && !(makeRoom() && awaitRoom())) {
                refuse(client, new Refused(Refused.Kind.BUSY, "too many connections"));
            } else if (leaving) {
                keep(client);
            } else {
                start(client, user.getName());
            }
        } catch (IOException e) {
            log.debug("{}: refused a client: {}", listener.path(), e.getMessage());
            refuse(client, new Refused(Refused.Kind.DENIED, String.valueOf(e.getMessage())));
        } catch (RuntimeException | Error e) {
            client.close();
            throw e;
        }
    }

    /// Lets a client wait until this process ends. It counts as a connection as long.
    private void keep(SocketChannel client) throws IOException {
        open.add(client);
        // Read after the client was added, as by serve(): close() may have emptied the set before.
        if (closed) {
            client.close();
        }
    }

    /// Ends an idle connection: one of the user with the most connections, and of these the one that has been idle for
    /// longest.
    ///
    /// @return false if no connection is idle
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

    /// It can make room from now on, even if its thread runs late.
    private void start(SocketChannel client, String user) throws IOException {
        ServedConnection connection = new ServedConnection(client, user, terms);
        boolean started = false;
        try {
            open.add(client);
            served.add(connection);
            threads.execute(() -> serve(client, connection));
            started = true;
        } catch (RejectedExecutionException e) {
            log.debug("{}: closed just now", listener.path());
        } finally {
            if (!started) {
                served.remove(connection);
                open.remove(client);
                free.release();
                client.close();
            }
        }
    }

    private void serve(SocketChannel client, ServedConnection connection) {
        try (client) {
            // `closed` is read after the client was added to the set. close() sets it first, and
            // then empties the set.
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
        // A channel that is interrupted between a client's acceptance and its return keeps the
        // client for ever.
        Uninterruptibles.awaitUninterruptibly(accepted);
        // Interrupts commands that wait for a guest.
        threads.shutdownNow();
        threads.close();
    }
}
