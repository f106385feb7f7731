package io.xenemu.core.metrics;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/// Serves `/metrics` in Prometheus's text format.
///
/// Each request has a thread of its own, so that a client that sends half of one keeps nobody else waiting. How long such a
/// client may stay, and how many there may be, are properties of the JDK's server, which are set where the JVM is started
/// (`bin/xen-emu`).
public final class MetricsServer implements AutoCloseable {
    private static final String CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

    private final HttpServer server;
    private final ExecutorService executor;

    /// Starts serving on `address`; port 0 takes a free one.
    ///
    /// @throws IOException if the address cannot be bound
    public MetricsServer(InetSocketAddress address, PrometheusMeterRegistry registry)
            throws IOException {
        server = HttpServer.create(address, 0);
        executor = Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("metrics").factory());
        server.setExecutor(executor);
        server.createContext("/metrics", exchange -> scrape(exchange, registry));
        server.start();
    }

    /// The port that is served.
    public int port() {
        return server.getAddress().getPort();
    }

    private static void scrape(HttpExchange exchange, PrometheusMeterRegistry registry)
            throws IOException {
        try (exchange) {
            if (!exchange.getRequestMethod().equals("GET")) {
                exchange.sendResponseHeaders(405, -1);
                return;
            }
            byte[] body = registry.scrape().getBytes(UTF_8);
            exchange.getResponseHeaders().set("Content-Type", CONTENT_TYPE);
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
        }
    }

    @Override
    public void close() {
        server.stop(0);
        executor.shutdownNow();
    }
}
