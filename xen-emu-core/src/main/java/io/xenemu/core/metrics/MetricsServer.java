package io.xenemu.core.metrics;

import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.xenemu.kvm.socket.AcceptPause;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Serves `/metrics` in Prometheus's text format.
///
/// The JDK's HTTP server is not used, because silent clients can occupy all its connections. At its limit it refuses
/// new ones, however old and silent the others are. This server accepts the new one, and closes the oldest that has not
/// sent a request yet. Each connection has a virtual thread, one request, and a time limit.
public final class MetricsServer implements AutoCloseable {
    /// The most connections at a time, including closed ones that have not ended yet.
    static final int MAX_CONNECTIONS = 64;

    /// The longest life of a connection: a scraper gives up after 10 s by default.
    private static final Duration LIFE = Duration.ofSeconds(10);

    /// Milliseconds between two looks for connections that are older.
    private static final int LOOK_MILLIS = 500;

    private static final int BACKLOG = 128;

    private static final Logger log = LoggerFactory.getLogger(MetricsServer.class);

    private final ServerSocket listener;
    private final Scraper scraper;
    private final Duration life;
    // The open connections in the order of arrival. Guarded by itself.
    private final Set<MetricsConnection> connections = new LinkedHashSet<>();

    /// Starts serving on `address`; port 0 selects a free one.
    ///
    /// @throws IOException if the address cannot be bound
    public MetricsServer(InetSocketAddress address, PrometheusMeterRegistry registry)
            throws IOException {
        this(address, registry, LIFE);
    }

    /// Starts serving on `address` with another limit. [#MetricsServer(InetSocketAddress, PrometheusMeterRegistry)] has
    /// the other parameters.
    ///
    /// @param life the longest time of a connection
    MetricsServer(InetSocketAddress address, PrometheusMeterRegistry registry, Duration life)
            throws IOException {
        this.scraper = new Scraper(registry);
        this.life = life;
        this.listener = new ServerSocket();
        try {
            listener.bind(address, BACKLOG);
            listener.setSoTimeout(LOOK_MILLIS);
        } catch (IOException e) {
            listener.close();
            throw e;
        }
        Thread.ofPlatform().name("metrics").daemon().start(this::serve);
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
                Socket client = listener.accept();
                if (pause.worked()) {
                    log.warn("metrics: accepts connections again");
                }
                admit(new MetricsConnection(client, scraper, life));
            } catch (SocketTimeoutException e) {
                // No client came, so this is no lack of descriptors. Old connections are closed
                // below.
                pause.end();
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

    @Override
    public void close() {
        try {
            listener.close();
        } catch (IOException e) {
            log.debug("metrics: closing the socket failed: {}", e.toString());
        }
        List<MetricsConnection> open;
        synchronized (connections) {
            open = new ArrayList<>(connections);
        }
        open.forEach(MetricsConnection::close);
    }
}
