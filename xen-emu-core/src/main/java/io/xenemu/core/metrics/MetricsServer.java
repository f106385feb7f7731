package io.xenemu.core.metrics;

import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.xenemu.kvm.socket.AcceptPause;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Serves `/metrics` in Prometheus's text format. `/-/healthy` answers 200 while the process answers at all, and
/// `/-/ready` while it serves its sockets, 503 before and after; the paths are those of Prometheus's own programs.
///
/// The JDK's HTTP server is not used, because silent clients can occupy all its connections. At its limit it refuses
/// new ones, however old and silent the others are. This server accepts the new one, and closes the oldest that has not
/// sent a request yet. Each connection has a virtual thread, one request, and a time limit.
///
/// The next process of a service can serve the same address [#beside] this one, which then [#leave]s: the kernel gives
/// new clients to either (`SO_REUSEPORT`, socket(7)). A server that is not made so finds the address in use.
public final class MetricsServer implements AutoCloseable {
    /// The most connections at a time, including closed ones that have not ended yet.
    static final int MAX_CONNECTIONS = 64;

    /// The longest life of a connection: a scraper gives up after 10 s by default.
    private static final Duration LIFE = Duration.ofSeconds(10);

    /// Milliseconds between two looks for connections that are older.
    private static final int LOOK_MILLIS = 500;

    /// How long a server that leaves waits for one more client that the kernel has accepted for it.
    private static final int DRAIN_MILLIS = 20;

    private static final int BACKLOG = 128;

    private static final Logger log = LoggerFactory.getLogger(MetricsServer.class);

    private final ServerSocket listener;
    private final Scraper scraper;
    private final Duration life;
    // The open connections in the order of arrival. Guarded by itself.
    private final Set<MetricsConnection> connections = new LinkedHashSet<>();
    private final Thread thread;
    private volatile boolean leaving;
    private volatile boolean ready;

    /// Starts serving on `address`; port 0 selects a free one.
    ///
    /// @throws IOException if the address cannot be bound
    public MetricsServer(InetSocketAddress address, PrometheusMeterRegistry registry)
            throws IOException {
        this(address, registry, LIFE);
    }

    /// Starts serving on an address that another process of this user serves too, in which this one takes its place.
    ///
    /// @throws IOException if the address cannot be bound
    public static MetricsServer beside(InetSocketAddress address, PrometheusMeterRegistry registry)
            throws IOException {
        return new MetricsServer(address, registry, LIFE, true);
    }

    /// Starts serving on `address` with another limit. [#MetricsServer(InetSocketAddress, PrometheusMeterRegistry)] has
    /// the other parameters.
    ///
    /// @param life the longest time of a connection
    MetricsServer(InetSocketAddress address, PrometheusMeterRegistry registry, Duration life)
            throws IOException {
        this(address, registry, life, false);
    }

    private MetricsServer(
            InetSocketAddress address,
            PrometheusMeterRegistry registry,
            Duration life,
            boolean beside)
            throws IOException {
        this.scraper = new Scraper(registry);
        this.life = life;
        this.listener = new ServerSocket();
        try {
            listener.setOption(StandardSocketOptions.SO_REUSEPORT, beside);
            listener.bind(address, BACKLOG);
            // From now on: the next process may come.
            listener.setOption(StandardSocketOptions.SO_REUSEPORT, true);
            listener.setSoTimeout(LOOK_MILLIS);
        } catch (IOException e) {
            listener.close();
            throw e;
        }
        thread = Thread.ofPlatform().name("metrics").daemon().start(this::serve);
    }

    /// Leaves the address to another process that serves it too. Clients that came before are served to their end.
    ///
    /// @param limit the longest wait for them
    public void leave(Duration limit) throws InterruptedException {
        long end = System.nanoTime() + limit.toNanos();
        leaving = true;
        if (!thread.join(limit)) {
            return;
        }
        synchronized (connections) {
            long left = end - System.nanoTime();
            while (!connections.isEmpty() && left > 0) {
                TimeUnit.NANOSECONDS.timedWait(connections, left);
                left = end - System.nanoTime();
            }
        }
    }

    /// The service has begun to serve: `/-/ready` says so from now on.
    public void ready() {
        ready = true;
    }

    /// The port that is served.
    public int port() {
        return listener.getLocalPort();
    }

    private void serve() {
        AcceptPause pause = new AcceptPause();
        while (!listener.isClosed()) {
            try {
                Thread.sleep(pause.millisLeft());
                if (leaving) {
                    listener.setSoTimeout(DRAIN_MILLIS);
                }
                Socket client = listener.accept();
                if (pause.worked()) {
                    log.warn("metrics: accepts connections again");
                }
                admit(new MetricsConnection(client, scraper, () -> ready && !leaving, life));
            } catch (SocketTimeoutException e) {
                // No client came, so this is no lack of descriptors. Old connections are closed
                // below.
                pause.end();
                if (leaving) {
                    closeListener();
                }
            } catch (IOException e) {
                // The socket is closed, or no descriptor is left, which may pass.
                if (!listener.isClosed() && pause.failed()) {
                    log.warn("metrics: cannot accept connections: {}", e.getMessage());
                }
            } catch (InterruptedException e) {
                return;
            }
            closeOld();
        }
    }

    private void admit(MetricsConnection connection) {
        Optional<MetricsConnection> dropped = Optional.empty();
        synchronized (connections) {
            if (connections.size() >= MAX_CONNECTIONS) {
                dropped =
                        connections.stream()
                                .filter(MetricsConnection::isSilent)
                                .findFirst()
                                .or(() -> connections.stream().findFirst());
                dropped.ifPresent(connections::remove);
            }
            connections.add(connection);
        }
        dropped.ifPresent(MetricsConnection::close);
        Thread.ofVirtual()
                .name("metrics")
                .start(() -> {
                    try {
                        connection.run();
                    } finally {
                        synchronized (connections) {
                            connections.remove(connection);
                            connections.notifyAll();
                        }
                    }
                });
    }

    private void closeOld() {
        List<MetricsConnection> old;
        synchronized (connections) {
            old = connections.stream().filter(MetricsConnection::isOld).toList();
        }
        old.forEach(MetricsConnection::close);
    }

    private void closeListener() {
        try {
            listener.close();
        } catch (IOException e) {
            log.debug("metrics: closing the socket failed: {}", e.toString());
        }
    }

    @Override
    public void close() {
        closeListener();
        List<MetricsConnection> open;
        synchronized (connections) {
            open = new ArrayList<>(connections);
        }
        open.forEach(MetricsConnection::close);
    }
}
