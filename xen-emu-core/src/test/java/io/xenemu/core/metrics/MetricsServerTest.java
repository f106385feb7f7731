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
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
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

    /// An uncaught failure of a thread would end the service with all of its guests.
    @Test
    void scrapeThatFailsEndsItsConnectionAlone() throws IOException {
        List<Throwable> uncaught = Collections.synchronizedList(new ArrayList<>());
        Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
        Thread.setDefaultUncaughtExceptionHandler((_, e) -> uncaught.add(e));
        AtomicBoolean full = new AtomicBoolean(true);
        PrometheusMeterRegistry large =
                new PrometheusMeterRegistry(PrometheusConfig.DEFAULT) {
                    @Override
                    public String scrape() {
                        if (full.get()) {
                            throw new OutOfMemoryError("of a test");
                        }
                        return super.scrape();
                    }
                };
        InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        try (MetricsServer failing = new MetricsServer(any, large)) {
            for (int i = 0; i < 2 * MetricsServer.MAX_CONNECTIONS; i++) {
                assertEquals("", request(failing.port()));
            }
            full.set(false);
            assertTrue(request(failing.port()).startsWith("HTTP/1.1 200 OK"));
            assertEquals(List.of(), uncaught);
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(before);
            large.close();
        }
    }

    private static String request(int port) throws IOException {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.getOutputStream()
                    .write("GET /metrics HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
        }
    }

    private InetSocketAddress address() {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), server.port());
    }

    @Test
    void addressOfAnotherServerIsInUse() {
        assertThrows(IOException.class, () -> new MetricsServer(address(), registry).close());
    }

    /// Clients that have come already, to either of them, are answered.
    @Test
    void nextServerHasTheAddressBeforeThisOneLeaves() throws Exception {
        try (MetricsServer next = MetricsServer.beside(address(), registry)) {
            assertEquals(server.port(), next.port());
            List<Socket> half = new ArrayList<>();
            for (int i = 0; i < 16; i++) {
                half.add(connect());
                half.getLast()
                        .getOutputStream()
                        .write("GET /metrics HT".getBytes(StandardCharsets.US_ASCII));
            }
            FutureTask<Void> leaving =
                    new FutureTask<>(() -> {
                        server.leave(Duration.ofSeconds(30));
                        return null;
                    });
            Thread.ofPlatform().daemon().start(leaving);
            for (Socket socket : half) {
                socket.getOutputStream()
                        .write("TP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
                byte[] answer = socket.getInputStream().readAllBytes();
                assertTrue(
                        new String(answer, StandardCharsets.US_ASCII)
                                .startsWith("HTTP/1.1 200 OK"));
                socket.close();
            }
            leaving.get();
            for (int i = 0; i < 16; i++) {
                assertTrue(request(next.port()).startsWith("HTTP/1.1 200 OK"));
            }
            // The next but one.
            MetricsServer.beside(address(), registry).close();
        }
    }

    @Test
    void halfARequestKeepsNoOtherClientWaiting() throws IOException {
        try (Socket half = new Socket(InetAddress.getLoopbackAddress(), server.port())) {
            half.getOutputStream().write("GET /met".getBytes(StandardCharsets.US_ASCII));

            assertEquals(200, open("/metrics").getResponseCode());
        }
    }

    private Socket connect() throws IOException {
        return new Socket(InetAddress.getLoopbackAddress(), server.port());
    }

    @Test
    void silentClientsKeepNoScraperOut() throws IOException {
        List<Socket> silent = new ArrayList<>();
        try {
            for (int i = 0; i < 2 * MetricsServer.MAX_CONNECTIONS; i++) {
                silent.add(connect());
            }
            for (int i = 0; i < 10; i++) {
                assertEquals(200, open("/metrics").getResponseCode());
            }
            assertEquals(-1, silent.getFirst().getInputStream().read(), "the oldest is closed");
            Socket last = silent.getLast();
            last.getOutputStream()
                    .write("GET /metrics HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            assertEquals('H', last.getInputStream().read());
        } finally {
            for (Socket socket : silent) {
                socket.close();
            }
        }
    }

    @Test
    void clientThatSaysNothingIsClosedInTheEnd() throws IOException {
        InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        try (MetricsServer hasty = new MetricsServer(any, registry, Duration.ofMillis(100));
                Socket silent = new Socket(InetAddress.getLoopbackAddress(), hasty.port())) {
            assertEquals(-1, silent.getInputStream().read());
        }
    }

    @Test
    void requestInPiecesIsAnswered() throws IOException {
        try (Socket slow = connect()) {
            for (byte b :
                    "GET /metrics?x=1 HTTP/1.0\r\nA: b\r\n\r\n"
                            .getBytes(StandardCharsets.US_ASCII)) {
                slow.getOutputStream().write(b);
                slow.getOutputStream().flush();
            }
            String reply =
                    new String(slow.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
            assertTrue(reply.startsWith("HTTP/1.1 200 OK\r\n"), reply);
        }
    }

    @Test
    void bytesThatAreNoRequestAreRefused() throws IOException {
        for (String bad : List.of("\r\n\r\n", "hello\r\n\r\n", "GET /metrics\r\n\r\n")) {
            try (Socket socket = connect()) {
                socket.getOutputStream().write(bad.getBytes(StandardCharsets.US_ASCII));
                String reply =
                        new String(
                                socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
                assertTrue(reply.startsWith("HTTP/1.1 400 "), reply);
            }
        }
    }

    @Test
    void onlyGetIsServed() throws IOException {
        HttpURLConnection delete = open("/metrics");
        delete.setRequestMethod("DELETE");

        assertEquals(405, delete.getResponseCode());
    }

    @Test
    void headHasNoBody() throws IOException {
        registry.counter("answers").increment();
        HttpURLConnection head = open("/metrics");
        head.setRequestMethod("HEAD");

        assertEquals(200, head.getResponseCode());
        assertTrue(head.getContentLengthLong() > 0);
        assertEquals(0, head.getInputStream().readAllBytes().length);
    }

    @Test
    void healthAndReadinessAreTold() throws IOException {
        assertEquals(200, open("/").getResponseCode());
        assertEquals(200, open("/-/healthy").getResponseCode());
        assertEquals(503, open("/-/ready").getResponseCode());

        server.ready();

        assertEquals(200, open("/-/ready?probe").getResponseCode());
    }

    @Test
    void otherPathsAreNotFound() throws IOException {
        assertEquals(404, open("/other").getResponseCode());
        assertEquals(404, open("/metricsother").getResponseCode());
    }

    @Test
    void addressInUseIsAnIoException() {
        InetSocketAddress taken =
                new InetSocketAddress(InetAddress.getLoopbackAddress(), server.port());

        assertThrows(IOException.class, () -> new MetricsServer(taken, registry).close());
    }
}
