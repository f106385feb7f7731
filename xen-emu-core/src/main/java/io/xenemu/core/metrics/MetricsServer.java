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
/// Not the JDK's server, whose connections a client can occupy that says nothing: it refuses a new one when it has as many
/// as it may, however old and silent those are. Here the new one is taken, and the oldest that has not asked anything yet is
/// closed. Each connection has a virtual thread, one request, and a time.
public final class MetricsServer implements AutoCloseable {
    /// Connections at a time: scrapers, and what is left of those that have gone.
    static final int MAX_CONNECTIONS = 64;

    /// How long a connection may last: a scraper gives up after 10 s by default.
    private static final Duration LIFE = Duration.ofSeconds(10);

    /// How often it is looked whether a connection has lasted so long.
    private static final int LOOK_MILLIS = 500;

    private static final int BACKLOG = 128;

    private static final Logger log = LoggerFactory.getLogger(MetricsServer.class);

    private final ServerSocket listener;
    private final Scraper scraper;
    private final Duration life;
    // In the order in which they came. Guarded by itself.
    private final Set<MetricsConnection> connections = new LinkedHashSet<>();

    /// Starts serving on `address`; port 0 takes a free one.
    ///
    /// @throws IOException if the address cannot be bound
    public MetricsServer(InetSocketAddress address, PrometheusMeterRegistry registry)
            throws IOException {
        this(address, registry, LIFE);
    }

    /// As [#MetricsServer(InetSocketAddress, PrometheusMeterRegistry)].
    ///
    /// @param life how long a connection may last
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
                // Nobody came, which says nothing of descriptors: old ones are closed below.
                pause.end();
            } catch (IOException e) {
                // Closed, or out of descriptors, which may pass.
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
