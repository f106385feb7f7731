package io.xenemu.core.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonReader;
import io.xenemu.kvm.testing.Eventually;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What a browser, a script and a hostile page get.
@Timeout(60)
final class WebServerTest {
    private static final String PAUSE = "{\"verb\": \"pause\", \"domain\": 3, \"name\": \"web\"}";

    @TempDir private Path folder = Path.of("");

    private final FakeService service = new FakeService().with(3, "web");
    private AccessTokens tokens;
    private WebServer server;
    private WebClient client;

    @BeforeEach
    void start() throws Exception {
        tokens = AccessTokens.of(folder.resolve("tokens"));
        WebSettings settings =
                new WebSettings(
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                        null,
                        WebSettings.LOOPBACK,
                        tokens,
                        Path.of("/proc"));
        server = new WebServer(settings, service, Duration.ofMillis(20));
        client = new WebClient(server.port());
    }

    @AfterEach
    void end() {
        server.close();
    }

    private String bearer(Role role) {
        return "Authorization: Bearer " + tokens.token(role);
    }

    /// Logs in; returns the field by which a browser shows it.
    private String cookie(Role role) throws Exception {
        WebClient.Answer answer =
                client.post(
                        "/api/login",
                        "{\"token\": \"" + tokens.token(role) + "\"}",
                        client.origin());
        assertEquals(200, answer.status());
        return "Cookie: " + answer.field("Set-Cookie").split(";", 2)[0];
    }

    @Test
    void pageIsServedWithThePolicyOfABrowser() throws Exception {
        WebClient.Answer answer = client.get("/");
        assertEquals(200, answer.status());
        assertTrue(answer.body().startsWith("<!doctype html>"));
        assertTrue(answer.field("Content-Security-Policy").startsWith("default-src 'none';"));
        assertFalse(answer.field("Content-Security-Policy").contains("unsafe"));
        assertEquals("nosniff", answer.field("X-Content-Type-Options"));
        assertEquals("no-referrer", answer.field("Referrer-Policy"));
        assertEquals("", answer.field("Access-Control-Allow-Origin"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/nothing",
                "/../page.js",
                "/vendor/../../WebServer.class",
                "/%2e%2e/module-info.class",
                "/vendor/NOTICE.txt"
            })
    void otherFilesAreNotThere(String path) throws Exception {
        assertEquals(404, client.get(path).status());
    }

    @Test
    void nothingIsToldWithoutAToken() throws Exception {
        for (String path : List.of("/api/snapshot", "/api/events")) {
            assertEquals(401, client.get(path).status());
            assertEquals(401, client.get(path, "Authorization: Bearer x").status());
            assertEquals(401, client.get(path, "Authorization: Basic eDp5").status());
            assertEquals(401, client.get(path, "Cookie: xen-emu-" + server.port() + "=x").status());
        }
        assertEquals(401, client.post("/api/login", "{\"token\": \"\"}").status());
        assertEquals(401, client.post("/api/login", "{}").status());
        assertEquals(401, client.post("/api/action", PAUSE, client.origin()).status());
        assertEquals(0, service.lists.get());
    }

    @Test
    void tokensOfAnyCaseAndLengthButTheOwnAreRefused() throws Exception {
        String token = tokens.token(Role.OPERATOR);
        for (String wrong : List.of(token + "x", token.substring(1), token + " " + token)) {
            String field = "Authorization: Bearer " + wrong;
            assertEquals(401, client.get("/api/snapshot", field).status());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"evil.example", "evil.example:8066", "127.0.0.1.evil.example"})
    void otherNamesOfTheHostAreRefused(String host) throws Exception {
        String field = "Host: " + host;
        assertEquals(421, client.get("/", field).status());
        assertEquals(421, client.get("/api/snapshot", field, bearer(Role.READER)).status());
        assertEquals(421, client.post("/api/login", "{}", field).status());
    }

    @ParameterizedTest
    @ValueSource(strings = {"localhost", "localhost:9", "127.0.0.1:1", "[::1]:7", "LOCALHOST:2"})
    void ownNamesAreServedAtAnyForwardedPort(String host) throws Exception {
        assertEquals(200, client.get("/", "Host: " + host).status());
    }

    @ParameterizedTest
    @ValueSource(strings = {"a:b:c:", "host:99999", ""})
    void brokenHostIsRefused(String host) throws Exception {
        int status = client.get("/", "Host: " + host).status();
        assertTrue(status == 400 || status == 421, "" + status);
    }

    @Test
    void cookieIsForThisSiteAlone() throws Exception {
        WebClient.Answer answer =
                client.post("/api/login", "{\"token\": \"" + tokens.token(Role.READER) + "\"}");
        assertTrue(answer.field("Set-Cookie").contains("; HttpOnly; SameSite=Strict"));
        assertEquals("{\"role\": \"reader\"}", answer.body());
    }

    @Test
    void commandOfABrowserNeedsItsOwnOrigin() throws Exception {
        String cookie = cookie(Role.OPERATOR);
        assertEquals(403, client.post("/api/action", PAUSE, cookie).status());
        for (String origin :
                List.of(
                        "http://evil.example",
                        "null",
                        "https://" + client.host(),
                        "http://localhost")) {
            String field = "Origin: " + origin;
            assertEquals(403, client.post("/api/action", PAUSE, cookie, field).status());
            assertEquals(403, client.post("/api/login", "{}", field).status());
            assertEquals(403, client.post("/api/logout", "{}", cookie, field).status());
            assertEquals(
                    403, client.post("/api/action", PAUSE, bearer(Role.OPERATOR), field).status());
        }
        assertEquals(List.of(), service.commands);
        assertEquals(200, client.post("/api/action", PAUSE, cookie, client.origin()).status());
        assertEquals(List.of(List.of("pause", "3")), service.commands);
    }

    @Test
    void readerCommandsNothing() throws Exception {
        String cookie = cookie(Role.READER);
        assertEquals(403, client.post("/api/action", PAUSE, cookie, client.origin()).status());
        assertEquals(403, client.post("/api/action", PAUSE, bearer(Role.READER)).status());
        assertEquals(List.of(), service.commands);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"verb\": \"dump-core\", \"domain\": 3, \"name\": \"web\"}",
                "{\"verb\": \"pause\", \"domain\": \"3\", \"name\": \"web\"}",
                "{\"verb\": \"pause\", \"domain\": -3, \"name\": \"web\"}",
                "{\"verb\": \"pause\", \"domain\": 3}",
                "{\"domain\": 3, \"name\": \"web\"}",
                "[]",
                "{",
                ""
            })
    void otherCommandsAreNotCarriedOut(String body) throws Exception {
        assertEquals(400, client.post("/api/action", body, bearer(Role.OPERATOR)).status());
        assertEquals(List.of(), service.commands);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"verb\": \"destroy\", \"domain\": 3, \"name\": \"other\"}",
                "{\"verb\": \"destroy\", \"domain\": 4, \"name\": \"web\"}"
            })
    void commandForADomainWithAnotherNameIsRefused(String body) throws Exception {
        assertEquals(409, client.post("/api/action", body, bearer(Role.OPERATOR)).status());
        assertEquals(List.of(), service.commands);
    }

    @Test
    void commandsAreLoggedWithWhoGaveThem() throws Exception {
        assertEquals(200, client.post("/api/action", PAUSE, bearer(Role.OPERATOR)).status());
        String snapshot = client.get("/api/snapshot", bearer(Role.READER)).body();
        assertTrue(
                snapshot.contains(
                        "\"who\": \"operator at 127.0.0.1\", \"what\": \"pause\", \"guest\": \"web\""),
                snapshot);
    }

    @Test
    void formsOfOtherSitesAreNoCommands() throws Exception {
        List<String> fields =
                List.of(
                        bearer(Role.OPERATOR),
                        "Content-Type: text/plain",
                        "Content-Length: " + PAUSE.length());
        assertEquals(415, client.ask("POST /api/action", fields, PAUSE).status());
        assertEquals(List.of(), service.commands);
    }

    @Test
    void largeBodyIsRefused() throws Exception {
        String body = "{\"x\": \"" + "x".repeat(WebRequest.MAX_BODY) + "\"}";
        assertEquals(413, client.post("/api/action", body, bearer(Role.OPERATOR)).status());
    }

    @Test
    void doubledHeaderFieldIsRefused() throws Exception {
        WebClient.Answer answer =
                client.get("/api/snapshot", bearer(Role.READER), bearer(Role.OPERATOR));
        assertEquals(400, answer.status());
    }

    @Test
    void otherMethodsAreRefused() throws Exception {
        assertEquals(405, client.post("/api/snapshot", "{}", bearer(Role.OPERATOR)).status());
        assertEquals(405, client.get("/api/action", bearer(Role.OPERATOR)).status());
        assertEquals(405, client.ask("DELETE /", List.of(), "").status());
    }

    @Test
    void headWithoutEndIsCutOff() throws Exception {
        try (Socket socket = client.open()) {
            socket.setSoTimeout(50_000);
            socket.getOutputStream()
                    .write("GET / HTTP/1.1\r\nHost: ".getBytes(StandardCharsets.ISO_8859_1));
            assertEquals(-1, socket.getInputStream().read());
        }
    }

    @Test
    void loggedOutCookieIsWorthNothing() throws Exception {
        String cookie = cookie(Role.READER);
        assertEquals(200, client.get("/api/snapshot", cookie).status());
        assertEquals(200, client.post("/api/logout", "{}", cookie, client.origin()).status());
        assertEquals(401, client.get("/api/snapshot", cookie).status());
    }

    @Test
    void snapshotHasTheDomainsAndTheHost() throws Exception {
        WebClient.Answer answer = client.get("/api/snapshot", bearer(Role.READER));
        Json.Obj values = (Json.Obj) JsonReader.read(answer.body());
        assertEquals(service.domains.getFirst(), values.find("domain/3"));
        assertTrue(values.find("host") instanceof Json.Obj host && host.find("cpus") != null);
        assertEquals("reader", values.text("role"));
    }

    @Test
    void listsOfADomainAreAskedForOnceAPeriod() throws Exception {
        Details details = new Details(service, Duration.ofHours(1));
        Json.Obj first = details.of(3);
        assertEquals(Set.of("vcpus", "channels", "grants"), first.members().keySet());
        assertEquals(
                new Json.Array(List.of(Json.EMPTY.with("verb", "evtchn-list"))),
                first.find("channels"));
        assertEquals(first, details.of(3));
        assertEquals(3, service.asked.size());
        details.of(4);
        assertEquals(6, service.asked.size());
    }

    @Test
    void listsOfADomainNeedATokenAndAnId() throws Exception {
        assertEquals(401, client.get("/api/domain?id=3").status());
        for (String query : List.of("", "?id=", "?id=web", "?id=-1", "?x=3", "?id=99999999999")) {
            assertEquals(400, client.get("/api/domain" + query, bearer(Role.READER)).status());
        }
        assertEquals(200, client.get("/api/domain?id=3", bearer(Role.READER)).status());
        service.refusal = "no such domain: 4";
        WebClient.Answer answer = client.get("/api/domain?id=4", bearer(Role.READER));
        assertEquals(409, answer.status());
        assertEquals("{\"error\": \"no such domain: 4\"}", answer.body());
    }

    @Test
    void missingServiceIsToldInALine() throws Exception {
        service.refusal = "no service at /run/x";
        String body = client.get("/api/snapshot", bearer(Role.READER)).body();
        assertTrue(
                body.contains(
                        "\"service\": {\"ok\": false, \"reason\": \"no service at /run/x\"}"));
    }

    @Test
    void streamTellsDifferencesWhileSomebodyLooks() throws Exception {
        String cookie = cookie(Role.READER);
        try (Socket socket = client.open()) {
            String request =
                    "GET /api/events HTTP/1.1\r\nHost: "
                            + client.host()
                            + "\r\n"
                            + cookie
                            + "\r\n\r\n";
            socket.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
            BufferedReader in =
                    new BufferedReader(
                            new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
            assertEquals("reader", next(in).text("role"));
            Json.Obj all = (Json.Obj) next(in).find("set");
            assertTrue(all != null && all.find("domain/3") != null);
            service.with(4, "</script>\n<b>");
            Json.Obj added = next(in);
            while (!(added.find("set") instanceof Json.Obj set && set.find("domain/4") != null)) {
                assertFalse(
                        added.find("set") instanceof Json.Obj it && it.find("domain/3") != null);
                added = next(in);
            }
            service.domains.removeFirst();
            Json.Obj gone = next(in);
            while (gone.find("gone") == null) {
                gone = next(in);
            }
            assertEquals(Json.texts(List.of("domain/3")), gone.find("gone"));
        }
        Eventually.holds("the service is not asked", () -> !server.isAsking());
    }

    private static Json.Obj next(BufferedReader in) throws Exception {
        while (true) {
            String line = in.readLine();
            assertTrue(line != null, "the stream has ended");
            if (line.startsWith("data: ")) {
                return (Json.Obj) JsonReader.read(line.substring("data: ".length()));
            }
        }
    }

    @Test
    void streamsAreLimited() throws Exception {
        List<Socket> open = new ArrayList<>();
        String request =
                "GET /api/events HTTP/1.1\r\nHost: "
                        + client.host()
                        + "\r\n"
                        + bearer(Role.READER)
                        + "\r\n\r\n";
        try {
            for (int i = 0; i < WebServer.MAX_STREAMS; i++) {
                Socket socket = client.open();
                open.add(socket);
                socket.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
                assertEquals('H', socket.getInputStream().read());
            }
            assertEquals(503, client.get("/api/events", bearer(Role.READER)).status());
            assertEquals(200, client.get("/api/snapshot", bearer(Role.READER)).status());
        } finally {
            for (Socket socket : open) {
                socket.close();
            }
        }
        Eventually.holds("streams end with their clients", () -> !server.isAsking());
    }
}
