package io.xenemu.core.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class MetricsServerTest {
    private final PrometheusMeterRegistry registry =
            new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final MetricsServer server =
            new MetricsServer(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), registry);

    MetricsServerTest() throws IOException {}

    @AfterEach
    void close() {
        server.close();
        registry.close();
    }

    private HttpURLConnection open(String path) throws IOException {
        String host = InetAddress.getLoopbackAddress().getHostAddress();
        URI uri = URI.create("http://" + host + ":" + server.port() + path);
        return (HttpURLConnection) uri.toURL().openConnection(Proxy.NO_PROXY);
    }

    @Test
    void scrapeGivesTheRegistrysMeters() throws IOException {
        registry.counter("answers").increment(42);

        HttpURLConnection get = open("/metrics");

        assertEquals(200, get.getResponseCode());
        assertTrue(get.getContentType().startsWith("text/plain"));
        String body = new String(get.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertTrue(body.contains("answers_total 42.0"), body);
    }

    @Test
    void halfARequestKeepsNobodyWaiting() throws IOException {
        try (Socket half = new Socket(InetAddress.getLoopbackAddress(), server.port())) {
            half.getOutputStream().write("GET /met".getBytes(StandardCharsets.US_ASCII));

            assertEquals(200, open("/metrics").getResponseCode());
        }
    }

    @Test
    void onlyGetIsServed() throws IOException {
        HttpURLConnection delete = open("/metrics");
        delete.setRequestMethod("DELETE");

        assertEquals(405, delete.getResponseCode());
    }

    @Test
    void otherPathsAreNotFound() throws IOException {
        assertEquals(404, open("/").getResponseCode());
    }

    @Test
    void addressInUseIsAnIoException() {
        InetSocketAddress taken =
                new InetSocketAddress(InetAddress.getLoopbackAddress(), server.port());

        assertThrows(IOException.class, () -> new MetricsServer(taken, registry).close());
    }
}
