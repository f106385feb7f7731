package io.xenemu.core.service;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Where the operator's commands reach a running service: a Unix socket that only its owner can connect to, on which every
/// line is a request and gets one line in reply.
final class ControlSocket implements AutoCloseable {
    /// Bytes of a request, without its end; the longest that makes sense has some 40.
    static final int MAX_LINE = 256;

    /// Connections at a time: an operator's commands and a few watchdogs. One more is told so and closed.
    static final int MAX_CONNECTIONS = 16;

    private static final Logger log = LoggerFactory.getLogger(ControlSocket.class);
    private static final String ERROR = "error: ";

    private final Path path;
    private final ServerSocketChannel listener;
    private final UnaryOperator<String> commands;
    private final Semaphore free = new Semaphore(MAX_CONNECTIONS);
    private final Set<SocketChannel> open = ConcurrentHashMap.newKeySet();
    private final ExecutorService threads =
            Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("control").factory());
    private volatile boolean closed;

    private ControlSocket(Path path, ServerSocketChannel listener, UnaryOperator<String> commands) {
        this.path = path;
        this.listener = listener;
        this.commands = commands;
    }

    /// Serves `commands` at `path`, in place of a socket there that nobody serves any more.
    ///
    /// @param commands the reply to a request, in one line; called by several threads
    /// @throws IOException when the socket is in use, or cannot be made
    static ControlSocket open(Path path, UnaryOperator<String> commands) throws IOException {
        if (Files.exists(path) && isServed(path)) {
            throw new IOException(path + " is in use");
        }
        ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        // Under another name until it has its mode, so that nobody else ever finds it.
        Path fresh = path.resolveSibling(path.getFileName() + ".new");
        try {
            Files.deleteIfExists(fresh);
            listener.bind(UnixDomainSocketAddress.of(fresh));
            Files.setPosixFilePermissions(fresh, PosixFilePermissions.fromString("rw-------"));
            Files.move(fresh, path, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            listener.close();
            Files.deleteIfExists(fresh);
            throw e;
        }
        ControlSocket socket = new ControlSocket(path, listener, commands);
        socket.threads.execute(socket::accept);
        return socket;
    }

    private static boolean isServed(Path path) throws IOException {
        try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            return probe.connect(UnixDomainSocketAddress.of(path));
        } catch (ConnectException e) {
            return false;
        }
    }

    private void accept() {
        while (!closed) {
            try {
                SocketChannel client = listener.accept();
                if (free.tryAcquire()) {
                    start(client);
                } else {
                    try (client) {
                        reply(client, ERROR + "too many connections");
                    }
                }
            } catch (ClosedChannelException e) {
                return;
            } catch (IOException e) {
                log.warn("control socket {}: {}", path, e.toString());
                return;
            }
        }
    }

    private void start(SocketChannel client) throws IOException {
        open.add(client);
        try {
            threads.execute(() -> serve(client));
        } catch (RejectedExecutionException e) {
            // Closed just now.
            client.close();
        }
    }

    private void serve(SocketChannel client) {
        try (client) {
            ByteBuffer line = ByteBuffer.allocate(MAX_LINE + 1);
            // closed is looked at after the client is in the set, which close() empties after it
            // has set it.
            while (!closed && client.read(line) >= 0) {
                serveLines(client, line);
                if (!line.hasRemaining()) {
                    reply(client, ERROR + "more than " + MAX_LINE + " bytes in a line");
                    return;
                }
            }
        } catch (IOException e) {
            log.debug("a client of {} has gone: {}", path, e.toString());
        } finally {
            open.remove(client);
            free.release();
        }
    }

    /// Replies to the lines that are complete, and keeps the rest.
    private void serveLines(SocketChannel client, ByteBuffer buffer) throws IOException {
        buffer.flip();
        int start = 0;
        for (int i = 0; i < buffer.limit(); i++) {
            if (buffer.get(i) == '\n') {
                reply(client, answer(UTF_8.decode(buffer.slice(start, i - start)).toString()));
                start = i + 1;
            }
        }
        buffer.position(start);
        buffer.compact();
    }

    private String answer(String request) {
        try {
            return commands.apply(request);
        } catch (RuntimeException e) {
            log.error("the command '{}' failed: this is a bug", request, e);
            return ERROR + "internal error: " + e;
        }
    }

    private static void reply(SocketChannel client, String reply) throws IOException {
        ByteBuffer bytes = UTF_8.encode(reply.replace('\n', ' ') + '\n');
        while (bytes.hasRemaining()) {
            client.write(bytes);
        }
    }

    /// Ends all connections, waits for the commands that are under way, and removes the file.
    @Override
    public void close() throws IOException {
        closed = true;
        listener.close();
        for (SocketChannel client : open) {
            client.close();
        }
        threads.close();
        Files.deleteIfExists(path);
    }
}
