package io.xenemu.kvm.socket;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.ByteStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class StreamListenerTest {
    /// More than a listening socket keeps.
    private static final int MANY = 40;

    @TempDir private Path folder;

    private Path path() {
        return folder.resolve("s");
    }

    private SocketChannel connect() throws IOException {
        return SocketChannel.open(UnixDomainSocketAddress.of(path()));
    }

    @Test
    void onlyTheOwnerMayConnect() throws IOException {
        try (StreamListener _ = StreamListener.bind(path())) {
            assertEquals(
                    "rw-------",
                    PosixFilePermissions.toString(Files.getPosixFilePermissions(path())));
        }
        assertFalse(Files.exists(path()));
    }

    /// `struct sockaddr_un` has 108 bytes, one of them for the zero at the end.
    @Test
    void pathThatIsTooLongIsRefusedAtBothEnds() throws IOException {
        int most = 107 - folder.toString().length() - 1;
        Path longest = folder.resolve("s".repeat(most));
        try (StreamListener listener = StreamListener.bind(longest);
                StreamSocket _ = StreamSocket.connect(longest, Duration.ofSeconds(5));
                ByteStream served = listener.accept()) {
            assertNotNull(served);
        }
        Path longer = folder.resolve("s".repeat(most + 1));
        String message = "the path of a Unix socket is longer than 107 bytes: " + longer;
        assertEquals(
                message,
                assertThrows(IOException.class, () -> StreamListener.bind(longer)).getMessage());
        assertEquals(
                message,
                assertThrows(
                                IOException.class,
                                () -> StreamSocket.connect(longer, Duration.ofSeconds(5)))
                        .getMessage());
    }

    @Test
    void clientTalksWithoutThatAnybodyWaits() throws IOException {
        try (StreamListener listener = StreamListener.bind(path());
                Arena arena = Arena.ofConfined()) {
            assertNull(listener.accept());
            MemorySegment buffer = arena.allocate(16);
            try (SocketChannel client = connect();
                    ByteStream served = listener.accept()) {
                assertNotNull(served);
                assertEquals(-Errno.EAGAIN, served.read(buffer, 16));
                assertEquals(1, client.write(ByteBuffer.wrap(new byte[] {42})));
                assertEquals(1, served.read(buffer, 16));
                assertEquals(42, buffer.get(ValueLayout.JAVA_BYTE, 0));
                assertEquals(1, served.write(buffer, 1));
                ByteBuffer got = ByteBuffer.allocate(1);
                assertEquals(1, client.read(got));
                assertEquals(42, got.get(0));
                client.shutdownOutput();
                client.shutdownInput();
                assertEquals(0, served.read(buffer, 16));
                assertEquals(-Errno.EPIPE, served.write(buffer, 1));
            }
        }
    }

    @Test
    void leftoverIsReplacedAndAServedSocketIsNot() throws IOException {
        try (ServerSocketChannel left = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            left.bind(UnixDomainSocketAddress.of(path()));
            IOException refused =
                    assertThrows(IOException.class, () -> StreamListener.bind(path()));
            assertEquals("cannot listen at " + path() + ": it is in use", refused.getMessage());
        }
        try (StreamListener _ = StreamListener.bind(path());
                SocketChannel client = connect()) {
            assertTrue(client.isConnected());
        }
    }

    /// A client that has connected, or cannot since too many wait.
    private SocketChannel waiting() throws IOException {
        SocketChannel client = SocketChannel.open(StandardProtocolFamily.UNIX);
        client.configureBlocking(false);
        try {
            boolean _ = client.connect(UnixDomainSocketAddress.of(path()));
        } catch (SocketException e) {
            assertEquals("Resource temporarily unavailable", e.getMessage());
        }
        return client;
    }

    @Test
    void queueThatIsFullIsInUseToo() throws IOException {
        List<SocketChannel> clients = new ArrayList<>();
        try (StreamListener _ = StreamListener.bind(path())) {
            for (int i = 0; i < MANY; i++) {
                clients.add(waiting());
            }
            IOException refused =
                    assertThrows(IOException.class, () -> StreamListener.bind(path()));
            assertTrue(refused.toString().contains("it exists"), refused::toString);
        } finally {
            for (SocketChannel client : clients) {
                client.close();
            }
        }
    }

    @Test
    void wrongPlaceIsOneLine() throws IOException {
        Files.writeString(path(), "text");
        for (Path wrong :
                List.of(path(), folder.resolve("none/s"), folder.resolve("s".repeat(108)))) {
            IOException refused = assertThrows(IOException.class, () -> StreamListener.bind(wrong));
            assertTrue(
                    String.valueOf(refused.getMessage()).contains(wrong.toString()),
                    refused::toString);
        }
        assertEquals("text", Files.readString(path()));
    }

    @Test
    void fileThatTookItsPlaceStays() throws IOException {
        StreamListener listener = StreamListener.bind(path());
        Files.delete(path());
        try (ServerSocketChannel other = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            other.bind(UnixDomainSocketAddress.of(path()));
            listener.close();
            assertTrue(Files.exists(path()));
        }
    }
}
