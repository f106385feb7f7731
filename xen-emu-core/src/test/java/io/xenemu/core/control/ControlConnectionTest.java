package io.xenemu.core.control;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.hypervisor.HostException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What a client says of a socket that is not as it should be.
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

    /// What the client says of a peer that says something, and then nothing more.
    private String complaint(String said) throws IOException {
        try (ServerSocketChannel server = listen()) {
            Thread peer = Thread.ofVirtual().start(() -> say(server, said));
            HostException e =
                    assertThrows(
                            HostException.class,
                            () -> {
                                try (ControlConnection connection =
                                        ControlConnection.open(path(), SHORT)) {
                                    connection.request(List.of("list"), SHORT);
                                }
                            });
            peer.interrupt();
            return String.valueOf(e.getMessage()).replace(path().toString(), "P");
        }
    }

    private static void say(ServerSocketChannel server, String said) {
        try (SocketChannel client = server.accept()) {
            client.write(UTF_8.encode(said));
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
    void otherPeersAreToldApart() throws IOException {
        assertEquals(
                "what listens at P is no service of xen-emu's: it says 'SSH-2.0-x?'",
                complaint("SSH-2.0-x\r\n"));
    }

    @Test
    void otherVersionIsTold() throws IOException {
        assertEquals(
                "the service at P speaks version 2 of the control protocol, this xen-emu version 1",
                complaint("xen-emu control protocol 2\n"));
    }

    @Test
    void refusalInsteadOfAGreetingIsTold() throws IOException {
        assertEquals("user x may not connect", complaint("error: user x may not connect\n"));
    }

    @Test
    void serviceThatStopsAnsweringIsNotWaitedForLong() throws IOException {
        assertEquals(
                "the service at P has not answered within 1 s, and may still do what was asked",
                complaint("xen-emu control protocol 1\n|a row\n"));
    }

    @Test
    void errorNamesASocketWithoutAListener() {
        HostException e =
                assertThrows(HostException.class, () -> ControlConnection.open(path(), SHORT));
        assertEquals("no service at " + path() + ": No such file or directory", e.getMessage());
    }
}
