package io.xenemu.core.control;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.json.Json;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A client's reports of sockets that serve no control protocol.
@Timeout(60)
final class ControlConnectionTest {
    private static final Duration SHORT = Duration.ofSeconds(1);

    @TempDir private Path folder = Path.of("");

    private Path path() {
        return folder.resolve("control");
    }

    private ServerSocketChannel listen() throws IOException {
        return ServerSocketChannel.open(StandardProtocolFamily.UNIX)
                .bind(UnixDomainSocketAddress.of(path()));
    }

    /// The client's report of a peer that sends `said`, and then nothing more.
    private String complaint(String said) throws IOException {
        Files.deleteIfExists(path());
        try (ServerSocketChannel server = listen()) {
            Thread peer = Thread.ofVirtual().start(() -> say(server, said));
            HostException e =
                    assertThrows(
                            HostException.class,
                            () -> {
                                try (ControlConnection connection =
                                        ControlConnection.open(path(), SHORT)) {
                                    connection.request("list", Json.EMPTY, SHORT);
                                }
                            });
            peer.interrupt();
            return String.valueOf(e.getMessage()).replace(path().toString(), "P");
        }
    }

    private static void say(ServerSocketChannel server, String said) {
        try (SocketChannel client = server.accept()) {
            ByteBuffer bytes = UTF_8.encode(said);
            while (bytes.hasRemaining()) {
                client.write(bytes);
            }
            Thread.sleep(Duration.ofMinutes(5));
        } catch (IOException | InterruptedException e) {
            // The test is over.
            return;
        }
    }

    @Test
    void silentPeerIsNotWaitedForLong() throws IOException {
        String silent =
                "no answer at P within 1 s: the service is stopped, or it is not one of xen-emu's";
        assertEquals(silent, complaint(""));
    }

    @Test
    void stoppedServiceWithAFullQueueIsNotWaitedForLong() throws IOException {
        try (ServerSocketChannel server =
                        ServerSocketChannel.open(StandardProtocolFamily.UNIX)
                                .bind(UnixDomainSocketAddress.of(path()), 1);
                SocketChannel _ = SocketChannel.open(UnixDomainSocketAddress.of(path()));
                SocketChannel _ = SocketChannel.open(UnixDomainSocketAddress.of(path()))) {
            assertEquals(true, server.isOpen());
            assertThrows(HostException.class, () -> ControlConnection.open(path(), SHORT));
        }
    }

    @Test
    void peerThatIsNoServiceIsReported() throws IOException {
        assertEquals(
                "what listens at P is no service of xen-emu's: it says 'SSH-2.0-x?'",
                complaint("SSH-2.0-x\r\n"));
    }

    @Test
    void otherVersionIsReported() throws IOException {
        assertEquals(
                "the service at P speaks version 3 of the control protocol, this xen-emu version 2",
                complaint("{\"xen-emu\": {\"protocol\": 3, \"version\": \"9.1\", \"new\": []}}\n"));
    }

    @Test
    void serviceOfTheTextProtocolIsReported() throws IOException {
        assertEquals(
                "the service at P speaks version 1 of the control protocol, this xen-emu version 2",
                complaint("xen-emu control protocol 1\n"));
    }

    @Test
    void otherJsonIsNoService() throws IOException {
        String no = "what listens at P is no service of xen-emu's: it says '";
        assertEquals(no + "{\"QMP\": {}}'", complaint("{\"QMP\": {}}\n"));
        assertEquals(no + "[]'", complaint("[]\n"));
        assertEquals(no + "{\"xen-emu\": 2}'", complaint("{\"xen-emu\": 2}\n"));
    }

    @Test
    void linesThatAreNoAnswersAreExplained() throws IOException {
        assertEquals(
                "what listens at P is no service of xen-emu's: it says 'ok'",
                complaint(TestClient.GREETING + "\nok\n"));
        assertEquals(
                "the service at P has not answered within 1 s, and may still do what was asked",
                complaint(TestClient.GREETING + "\n{\"new\": 1}\n"));
    }

    @Test
    void lineWithoutAnEndIsNotReadForEver() throws IOException {
        String endless = "x".repeat(ControlProtocol.MAX_ANSWER + 1);
        assertEquals("no service at P: a line of more than 4194304 bytes", complaint(endless));
    }

    @Test
    void refusalInsteadOfAGreetingIsReported() throws IOException {
        assertEquals("user x may not connect", complaint("error: user x may not connect\n"));
        assertEquals(
                "too many connections",
                complaint(
                        "{\"error\": {\"type\": \"busy\", \"message\": \"too many connections\"}}\n"));
    }

    @Test
    void serviceThatStopsAnsweringIsNotWaitedForLong() throws IOException {
        assertEquals(
                "the service at P has not answered within 1 s, and may still do what was asked",
                complaint(
                        TestClient.GREETING
                                + "\n{\"id\": 1, \"progress\": {\"text\": [\"a row\"]}}\n"));
    }

    @Test
    void errorNamesASocketWithoutAListener() {
        HostException e =
                assertThrows(HostException.class, () -> ControlConnection.open(path(), SHORT));
        assertEquals("no service at " + path() + ": No such file or directory", e.getMessage());
    }
}
