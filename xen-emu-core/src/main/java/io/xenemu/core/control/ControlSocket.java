package io.xenemu.core.control;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.socket.AcceptPause;
import io.xenemu.kvm.socket.PeerCredentials;
import io.xenemu.kvm.socket.UnixListener;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.nio.file.attribute.UserPrincipal;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Where the operator's commands reach a running service: a Unix socket that only its owner and root can connect to, on which every
/// line is a request and gets a [ControlReply].
public final class ControlSocket implements AutoCloseable {
    /// Bytes of a request, without its end: a guest with several modules and a long command line for its kernel.
    static final int MAX_LINE = 64 << 10;

    /// Connections at a time: an operator's commands, a few watchdogs, and consoles. One more is told so and closed.
    static final int MAX_CONNECTIONS = 64;

    /// Consoles and commands that wait for guests at a time: both may last for ever, and there is always room for a command
    /// that ends one of them.
    static final int MAX_SESSIONS = MAX_CONNECTIONS - 16;

    /// How long a connection may ask nothing before it is closed; the commands ask at once.
    private static final Duration IDLE = Duration.ofMinutes(1);

    private static final Logger log = LoggerFactory.getLogger(ControlSocket.class);

    /// Words of a request that are logged: verb, guest, and what is done to it. A new guest has many more.
    private static final int TOLD_WORDS = 3;

    private static final ControlReply TOO_MANY_SESSIONS =
            ControlReply.error("too many consoles and waiting commands: " + MAX_SESSIONS);

    private final UnixListener listener;
    private final PeerCredentials allowed;
    private final ControlCommands commands;
    private final Semaphore free = new Semaphore(MAX_CONNECTIONS);
    private final Semaphore sessions = new Semaphore(MAX_SESSIONS);
    private final Duration idle;
    private final Set<SocketChannel> open = ConcurrentHashMap.newKeySet();
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
        this.commands = commands;
        this.idle = idle;
    }

    /// Serves `commands` at `path`, in place of a socket there that nobody serves any more.
    ///
    /// @param commands called by several threads
    /// @throws IOException when the socket is in use, or cannot be made
    public static ControlSocket open(Path path, ControlCommands commands) throws IOException {
        return open(path, commands, IDLE);
    }

    /// The same.
    ///
    /// @param idle how long a connection may ask nothing
    public static ControlSocket open(Path path, ControlCommands commands, Duration idle)
            throws IOException {
        PeerCredentials allowed = PeerCredentials.ofThisProcess();
        ControlSocket socket = new ControlSocket(UnixListener.bind(path), allowed, commands, idle);
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
            if (free.tryAcquire()) {
                start(client, user.getName());
            } else {
                try (client) {
                    reply(client, ControlReply.error("too many connections"));
                }
            }
        } catch (IOException e) {
            log.debug("{}: refused a client: {}", listener.path(), e.getMessage());
            try (client) {
                reply(client, ControlReply.error(String.valueOf(e.getMessage())));
            }
        } catch (RuntimeException | Error e) {
            client.close();
            throw e;
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
        try (client) {
            write(client, ControlReply.GREETING + '\n');
            ByteBuffer line = ByteBuffer.allocate(MAX_LINE + 1);
            // closed is looked at after the client is in the set, which close() empties after it
            // has set it.
            while (!closed && read(client, line) >= 0) {
                if (!serveLines(client, user, line)) {
                    return;
                }
                if (!line.hasRemaining()) {
                    reply(client, ControlReply.error("more than " + MAX_LINE + " bytes in a line"));
                    return;
                }
            }
        } catch (IOException e) {
            log.debug("a client of {} has gone: {}", listener.path(), e.toString());
        } catch (RuntimeException | Error e) {
            log.error("{}: a connection failed", listener.path(), e);
        } finally {
            open.remove(client);
            free.release();
        }
    }

    private int read(SocketChannel client, ByteBuffer line) throws IOException {
        try (SocketDeadline _ = SocketDeadline.of(client, idle)) {
            return client.read(line);
        }
    }

    /// Replies to the lines that are complete, and keeps the rest.
    ///
    /// @return false when a session has had the connection
    private boolean serveLines(SocketChannel client, String user, ByteBuffer buffer)
            throws IOException {
        buffer.flip();
        int start = 0;
        for (int i = 0; i < buffer.limit(); i++) {
            if (buffer.get(i) == '\n') {
                String request = UTF_8.decode(buffer.slice(start, i - start)).toString();
                ControlReply reply = answer(client, user, request, buffer);
                if (reply.session() != null) {
                    serve(reply, reply.session(), client);
                    return false;
                }
                reply(client, reply);
                start = i + 1;
            }
        }
        buffer.position(start);
        buffer.compact();
        return true;
    }

    private void serve(ControlReply reply, ControlReply.Session session, SocketChannel client)
            throws IOException {
        if (!sessions.tryAcquire()) {
            reply(client, TOO_MANY_SESSIONS);
            return;
        }
        try {
            reply(client, reply);
            session.serve(client);
        } finally {
            sessions.release();
        }
    }

    /// @param buffer with what the client has sent up to its limit; takes more while the request waits
    private ControlReply answer(
            SocketChannel client, String user, String request, ByteBuffer buffer) {
        List<String> words = ControlWords.decode(request);
        try {
            ControlCommands.Command command = commands.find(words);
            tell(user, words, command.effect());
            return command.waits() ? waited(client, command, buffer) : command.work().carryOut();
        } catch (Refused e) {
            return ControlReply.error(e.reason());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return ControlReply.error(Refused.serviceEnds().reason());
        } catch (RuntimeException | Error e) {
            log.error("the command '{}' failed: this is a bug", request, e);
            return ControlReply.error("internal error: " + e);
        }
    }

    private ControlReply waited(
            SocketChannel client, ControlCommands.Command command, ByteBuffer buffer)
            throws Refused, InterruptedException {
        // Before it is asked: a guest is not shut down by a command that is refused.
        if (!sessions.tryAcquire()) {
            return TOO_MANY_SESSIONS;
        }
        int end = buffer.limit();
        ByteBuffer ahead = buffer.duplicate().clear().position(end);
        try (ClientWatch _ = ClientWatch.start(client, ahead)) {
            return command.work().carryOut();
        } finally {
            buffer.limit(ahead.position());
            sessions.release();
        }
    }

    /// Logs who has asked for a change. The first words say for which.
    private static void tell(String user, List<String> words, Verb.Effect effect) {
        if (effect != Verb.Effect.CHANGES) {
            log.debug("user {} asks: {}", user, words);
        } else {
            log.info(
                    "user {} asks: {}",
                    user,
                    String.join(" ", words.subList(0, Math.min(words.size(), TOLD_WORDS))));
        }
    }

    private static void reply(SocketChannel client, ControlReply reply) throws IOException {
        write(client, reply.text());
    }

    private static void write(SocketChannel client, String text) throws IOException {
        ByteBuffer bytes = UTF_8.encode(text);
        while (bytes.hasRemaining()) {
            client.write(bytes);
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
