package io.xenemu.core.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.toolstack.Refused;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The dialogue of a control socket and its clients.
@Timeout(60)
final class ControlSocketTest {
    @TempDir private Path folder = Path.of("");

    private Path path() {
        return folder.resolve("control");
    }

    private ControlSocket open() throws IOException {
        return ControlSocket.open(path(), null, TestCommands.ECHO);
    }

    @Test
    void everyRequestGetsAResultWithItsId() throws Exception {
        try (ControlSocket _ = open();
                TestClient client = TestClient.of(path())) {
            client.send("{\"id\": 7, \"verb\": \"a\", \"argu");
            client.send("ments\": [\"b c\"]}\n{\"verb\":\"ok\",\"id\":-8}\n");
            assertEquals("{\"id\": 7, \"result\": {\"text\": [\"<a b c>\"]}}", client.line());
            assertEquals("{\"id\": -8, \"result\": {}}", client.line());
        }
    }

    @Test
    void progressComesBeforeTheResult() throws Exception {
        try (ControlSocket _ = open();
                TestClient client = TestClient.of(path())) {
            client.ask("far");
            assertEquals("{\"id\": 1, \"progress\": {\"percent\": 50}}", client.line());
            assertEquals(List.of("<far>"), client.text());
            assertEquals(List.of("<far>"), ControlClient.command(path(), List.of("far")));
        }
    }

    @Test
    void textOfAnyLengthReachesTheClient() throws IOException, HostException {
        List<String> text =
                IntStream.range(0, 5 * ControlProtocol.MAX_TEXT + 1)
                        .mapToObj(i -> i + "\u00e4\n")
                        .toList();
        TestCommands commands = new TestCommands(_ -> ControlReply.rows(text));
        try (ControlSocket _ = ControlSocket.open(path(), null, commands)) {
            assertEquals(text, ControlClient.command(path(), List.of("any")));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "{",
                "{\"id\": 1}",
                "{\"verb\": \"list\"}",
                "{\"id\": \"1\", \"verb\": \"list\"}",
                "{\"id\": 1, \"verb\": 2}",
                "{\"id\": 1, \"verb\": \"list\", \"argument\": []}",
                "{\"id\": 1, \"verb\": \"list\"} {}",
                "{\"id\": 1.5, \"verb\": \"list\"}"
            })
    void lineThatIsNoRequestIsRefusedAndTheNextIsServed(String line) throws Exception {
        try (ControlSocket _ = open();
                TestClient client = TestClient.of(path())) {
            client.assertNoRequest(line);
        }
    }

    @Test
    void clientOfTheTextProtocolGetsOneLineThatItUnderstands() throws Exception {
        try (ControlSocket _ = open();
                TestClient client = TestClient.of(path())) {
            client.send("list\n");
            assertEquals(
                    "error: this service speaks version 2 of the control protocol, JSON lines",
                    client.line());
            assertNull(client.line());
        }
    }

    @Test
    void sessionHasTheConnectionToItsEnd() throws Exception {
        try (ControlSocket _ = open();
                TestClient client = TestClient.of(path())) {
            client.ask("mirror");
            assertEquals(List.of(), client.text());
            client.send("ok\n");
            client.send("rows\n");
            assertEquals("ok", client.line());
            assertEquals("rows", client.line());
            client.endInput();
            assertNull(client.line());
        }
    }

    @Test
    void fullHeapEndsACommandOrASessionButNotTheService() throws Exception {
        try (ControlSocket _ = open()) {
            for (int i = 0; i < 2 * ControlSocket.MAX_CONNECTIONS; i++) {
                try (TestClient client = TestClient.of(path())) {
                    client.ask("heap");
                    assertTrue(client.error().contains("OutOfMemoryError"));
                    client.ask("session");
                    assertEquals(List.of(), client.text());
                    assertNull(client.line());
                }
            }
            try (TestClient client = TestClient.of(path())) {
                client.ask("now");
                assertEquals(List.of("<now>"), client.text());
            }
        }
    }

    @Test
    void commandThatFailsIsOneLine() throws Exception {
        try (ControlSocket _ = open();
                TestClient client = TestClient.of(path())) {
            client.ask("fail");
            client.ask("next");
            String error = client.error();
            assertTrue(error.startsWith("failed: internal error"), error);
            assertEquals(List.of("<next>"), client.text());
        }
    }

    @Test
    void clientReportsTheReasonOfAFailure() throws IOException {
        ControlCommands none =
                request -> {
                    throw Refused.noSuchDomain(request.verb());
                };
        try (ControlSocket _ = ControlSocket.open(path(), null, none)) {
            HostException refused =
                    assertThrows(
                            HostException.class,
                            () -> ControlClient.command(path(), List.of("no")));
            assertEquals("no such domain: no", refused.getMessage());
        }
        HostException nobody =
                assertThrows(
                        HostException.class, () -> ControlClient.command(path(), List.of("ok")));
        assertTrue(String.valueOf(nobody.getMessage()).startsWith("no service at "));
    }
}
