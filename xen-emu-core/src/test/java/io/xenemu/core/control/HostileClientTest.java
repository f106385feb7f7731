package io.xenemu.core.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Clients that want to harm a service by its control socket. Each attack ends with a client that is served.
@Timeout(60)
final class HostileClientTest {
    private static final int THOUSAND = 1000;

    @TempDir private Path folder = Path.of("");

    private final List<AutoCloseable> clients = new ArrayList<>();

    private Path path() {
        return folder.resolve("control");
    }

    private ControlSocket open() throws IOException {
        return ControlSocket.open(path(), null, TestCommands.ECHO);
    }

    private ControlSocket open(Duration idle) throws IOException {
        return ControlSocket.open(path(), null, TestCommands.ECHO, idle);
    }

    private void assertServes() throws Exception {
        try (TestClient client = TestClient.of(path())) {
            client.ask("now");
            assertEquals(List.of("<now>"), client.text());
        }
    }

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable client : clients) {
            client.close();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"id\": 1, \"verb\": \"\u00ff\"}",
                "{\"id\": 1, \"verb\": \"\u00c0\u0080\"}",
                "{\"id\": 1, \"verb\": \"\u00ed\u00a0\u0080\"}",
                "{\"id\": 1, \"verb\": \"\u00e2\u0082\"}",
                "{\"id\": 1, \"verb\": \"\u00f4\u0090\u0080\u0080\"}"
            })
    void lineThatIsNoUtf8IsRefused(String line) throws Exception {
        try (ControlSocket _ = open();
                TestClient client = TestClient.of(path())) {
            client.sendBytes(line + "\n");
            assertEquals("malformed: not a request: it is no UTF-8", client.error());
            client.assertServed();
        }
    }

    @Test
    void blankLinesAreNoRequestsOfAnOldClient() throws Exception {
        try (ControlSocket _ = open();
                TestClient client = TestClient.of(path())) {
            client.send("\n\r\n \t\n" + TestClient.request("first") + "\r\n\n");
            assertEquals(List.of("<first>"), client.text());
            client.assertServed();
        }
    }

    @Test
    void carriageReturnAloneEndsNoLine() throws Exception {
        try (ControlSocket _ = open();
                TestClient client = TestClient.of(path())) {
            client.send(TestClient.request("first") + "\r" + TestClient.request("second") + "\n");
            assertEquals(
                    "malformed: not a request: more than one value at character 44",
                    client.error());
            client.assertServed();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"id\": 1, \"id\": 2, \"verb\": \"a\"}",
                "{\"id\": 1, \"verb\": \"a\", \"\\u0076erb\": \"b\"}",
                "{\"id\": 99999999999999999999, \"verb\": \"a\"}",
                "{\"id\": 1e999999999, \"verb\": \"a\"}",
                "{\"id\": -, \"verb\": \"a\"}",
                "{\"id\": 1, \"verb\": \"\\ud800\"}",
                "{\"id\": 1, \"verb\": \"\\udc00\\ud800\"}",
                "{\"id\": 1, \"verb\": \"a\", \"arguments\": [\"\u0000\"]}"
            })
    void ambiguousRequestIsNoRequest(String line) throws Exception {
        try (ControlSocket _ = open();
                TestClient client = TestClient.of(path())) {
            client.assertNoRequest(line);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"[", "{\"a\":", "[[],"})
    void deepNestingIsRefused(String level) throws Exception {
        try (ControlSocket _ = open();
                TestClient client = TestClient.of(path())) {
            client.send(
                    "{\"id\": 1, \"verb\": \"a\", \"arguments\": "
                            + level.repeat(16_000 / level.length())
                            + "\n");
            String error = client.error();
            assertTrue(error.startsWith("malformed: not a request: more than 16 levels"), error);
            client.assertServed();
        }
    }

    @Test
    void idsMayBeReusedAndRequestsSentAhead() throws Exception {
        try (ControlSocket _ = open();
                TestClient client = TestClient.of(path())) {
            StringBuilder all = new StringBuilder();
            for (int i = 0; i < THOUSAND; i++) {
                all.append(TestClient.request("v" + i)).append('\n');
            }
            client.send(all.toString());
            for (int i = 0; i < THOUSAND; i++) {
                assertEquals(List.of("<v" + i + ">"), client.text());
            }
        }
    }

    /// Each byte comes in time, the line never.
    @Test
    void lineThatComesByteByByteIsNotWaitedFor() throws Exception {
        try (ControlSocket _ = open(Duration.ofMillis(300));
                TestClient client = TestClient.of(path())) {
            Thread slow =
                    Thread.ofVirtual()
                            .start(() -> {
                                try {
                                    while (true) {
                                        client.send(" ");
                                        Thread.sleep(20);
                                    }
                                } catch (IOException | InterruptedException e) {
                                    // The service has closed the connection.
                                }
                            });
            assertNull(client.line());
            slow.join();
            assertServes();
        }
    }

    @Test
    void thousandsOfHalfOpenConnectionsLeaveRoomForACommand() throws Exception {
        try (ControlSocket _ = open()) {
            for (int i = 0; i < THOUSAND; i++) {
                SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(path()));
                clients.add(channel);
                if (i % 2 == 0) {
                    TestClient.sendBytes(channel, "{\"id\": ");
                }
            }
            assertServes();
            assertServes();
        }
    }

    @Test
    void clientsThatLeaveInTheMiddleOfAnAnswerTakeNoConnections() throws Exception {
        List<String> text = Collections.nCopies(100_000, "x".repeat(50));
        try (ControlSocket _ =
                ControlSocket.open(
                        path(),
                        null,
                        new TestCommands(words ->
                                words.equals("long")
                                        ? ControlReply.rows(text)
                                        : TestCommands.echo(words)))) {
            for (int i = 0; i < 4 * ControlSocket.MAX_CONNECTIONS; i++) {
                try (TestClient client = TestClient.of(path())) {
                    client.ask("long");
                    client.read();
                }
            }
            assertServes();
        }
    }
}
