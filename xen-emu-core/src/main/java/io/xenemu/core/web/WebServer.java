package io.xenemu.core.web;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.common.primitives.Ints;
import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The page's server: the JDK's HTTP server, a virtual thread for each request. [WebLimits] has its limits.
public final class WebServer implements AutoCloseable {
    /// Between two questions to the service.
    private static final Duration PERIOD = Duration.ofSeconds(1);

    /// The most event streams at a time. Each keeps a connection, and the others are left for requests.
    static final int MAX_STREAMS = 16;

    /// What a browser may do with the page: load scripts and styles from here, nothing inline, nothing from elsewhere.
    private static final String CONTENT_POLICY =
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
                    + " base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static final String JSON = "application/json; charset=utf-8";
    private static final int BACKLOG = 64;

    private static final Logger log = LoggerFactory.getLogger(WebServer.class);

    private final HttpServer server;
    private final ExecutorService threads =
            Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("web").factory());
    private final Semaphore streams = new Semaphore(MAX_STREAMS);
    private final PageFiles files;
    private final RequestGuard guard;
    private final Collector collector;
    private final Details details;
    private final Actions actions;

    /// Starts to serve.
    ///
    /// @param settings where, and for whom
    /// @param service at which the page looks
    /// @throws IOException if the address cannot be bound
    public WebServer(WebSettings settings, Watched service) throws IOException {
        this(settings, service, PERIOD);
    }

    /// Starts to serve with another period.
    WebServer(WebSettings settings, Watched service, Duration period) throws IOException {
        WebLimits.apply();
        this.files = new PageFiles();
        InstantSource clock = InstantSource.system();
        ActionLog journal = new ActionLog();
        this.collector =
                new Collector(service, new HostView(settings.proc()), journal, clock, period);
        this.details = new Details(service, period);
        this.actions = new Actions(service, journal, clock);
        this.server = server(settings.address(), settings.tls());
        this.guard =
                new RequestGuard(
                        settings.names(),
                        settings.tokens(),
                        new Sessions(clock),
                        // Browsers send cookies of one port to all ports of a host.
                        "xen-emu-" + port(),
                        settings.tls() != null);
        server.setExecutor(threads);
        server.createContext("/", this::handle);
        server.start();
    }

    private static HttpServer server(InetSocketAddress address, @Nullable SSLContext tls)
            throws IOException {
        if (tls == null) {
            return HttpServer.create(address, BACKLOG);
        }
        HttpsServer server = HttpsServer.create(address, BACKLOG);
        server.setHttpsConfigurator(new Tls13(tls));
        return server;
    }

    /// The context alone would still take TLS 1.2.
    private static final class Tls13 extends HttpsConfigurator {
        Tls13(SSLContext context) {
            super(context);
        }

        @Override
        public void configure(HttpsParameters connection) {
            SSLParameters parameters = getSSLContext().getDefaultSSLParameters();
            parameters.setProtocols(new String[] {"TLSv1.3"});
            connection.setSSLParameters(parameters);
        }
    }

    /// The port that is served.
    public int port() {
        return server.getAddress().getPort();
    }

    /// Whether somebody looks, so that the service is asked.
    boolean isAsking() {
        return collector.isRunning();
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            addFields(exchange.getResponseHeaders());
            try {
                serve(new WebRequest(exchange));
            } catch (WebRefused e) {
                log.debug("refused: {}", e.toString());
                if (e.status() == 401) {
                    exchange.getResponseHeaders().set("WWW-Authenticate", "Bearer");
                }
                // The rest of a body is not read.
                exchange.getResponseHeaders().set("Connection", "close");
                send(exchange, e.status(), Json.EMPTY.with("error", e.reason()));
            }
        } catch (RuntimeException | Error e) {
            log.error("a request to the page has failed: this is a bug", e);
            throw e;
        }
    }

    private static void addFields(Headers fields) {
        fields.set("Content-Security-Policy", CONTENT_POLICY);
        fields.set("X-Content-Type-Options", "nosniff");
        fields.set("Referrer-Policy", "no-referrer");
        fields.set("Cross-Origin-Opener-Policy", "same-origin");
        fields.set("Cross-Origin-Resource-Policy", "same-origin");
        fields.set("Cache-Control", "no-store");
    }

    private void serve(WebRequest request) throws IOException, WebRefused {
        guard.checkHost(request);
        switch (request.path()) {
            case "/api/login" -> login(request);
            case "/api/logout" -> logout(request);
            case "/api/action" -> act(request);
            case "/api/snapshot" -> snapshot(request);
            case "/api/domain" -> domain(request);
            case "/api/events" -> stream(request);
            default -> file(request);
        }
    }

    private static void need(WebRequest request, String method) throws WebRefused {
        if (!request.method().equals(method)) {
            request.exchange().getResponseHeaders().set("Allow", method);
            throw new WebRefused(405, "only " + method);
        }
    }

    private void file(WebRequest request) throws IOException, WebRefused {
        need(request, "GET");
        PageFiles.PageFile file = files.at(request.path());
        send(request.exchange(), 200, file.type(), file.bytes());
    }

    /// Gives a browser a cookie for a token, so that the token is in no page and no address.
    private void login(WebRequest request) throws IOException, WebRefused {
        need(request, "POST");
        guard.checkOrigin(request, false);
        String token = request.body().text("token");
        Optional<Role> role = token == null ? Optional.empty() : guard.role(token);
        if (role.isEmpty()) {
            log.info("{}: a wrong token", request.peer());
            throw new WebRefused(401, "not a token");
        }
        log.info("{}: {}: has logged in", request.peer(), role.get().word());
        request.exchange().getResponseHeaders().set("Set-Cookie", guard.begin(role.get()));
        send(request.exchange(), 200, Json.EMPTY.with("role", role.get().word()));
    }

    private void logout(WebRequest request) throws IOException, WebRefused {
        need(request, "POST");
        guard.checkOrigin(request, true);
        request.exchange().getResponseHeaders().set("Set-Cookie", guard.end(request));
        send(request.exchange(), 200, Json.EMPTY);
    }

    private void act(WebRequest request) throws IOException, WebRefused {
        need(request, "POST");
        RequestGuard.Caller caller = guard.caller(request);
        guard.checkOrigin(request, caller.byCookie());
        if (caller.role() != Role.OPERATOR) {
            throw new WebRefused(403, "only an operator may do that");
        }
        actions.carryOut(request.body(), caller.role().word() + " at " + request.peer());
        send(request.exchange(), 200, Json.EMPTY);
    }

    private void snapshot(WebRequest request) throws IOException, WebRefused {
        need(request, "GET");
        RequestGuard.Caller caller = guard.caller(request);
        Json.Obj values = collector.latest().values();
        send(request.exchange(), 200, values.with("role", caller.role().word()));
    }

    private void domain(WebRequest request) throws IOException, WebRefused {
        need(request, "GET");
        RequestGuard.Caller _ = guard.caller(request);
        Integer id = request.parameter("id").map(Ints::tryParse).orElse(null);
        if (id == null || id < 0) {
            throw new WebRefused(400, "no domain id");
        }
        send(request.exchange(), 200, details.of(id));
    }

    private void stream(WebRequest request) throws IOException, WebRefused {
        need(request, "GET");
        RequestGuard.Caller caller = guard.caller(request);
        if (!streams.tryAcquire()) {
            throw new WebRefused(503, "more than " + MAX_STREAMS + " pages are open");
        }
        try {
            request.exchange().getResponseHeaders().set("Content-Type", "text/event-stream");
            request.exchange().sendResponseHeaders(200, 0);
            new ChangeStream(collector, caller.role()).run(request.exchange().getResponseBody());
        } finally {
            streams.release();
        }
    }

    private static void send(HttpExchange exchange, int status, Json body) throws IOException {
        send(exchange, status, JSON, JsonWriter.line(body).getBytes(UTF_8));
    }

    private static void send(HttpExchange exchange, int status, String type, byte[] body)
            throws IOException {
        exchange.getResponseHeaders().set("Content-Type", type);
        exchange.sendResponseHeaders(status, body.length);
        try (OutputStream out = exchange.getResponseBody()) {
            out.write(body);
        }
    }

    /// Ends it, with all connections.
    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
