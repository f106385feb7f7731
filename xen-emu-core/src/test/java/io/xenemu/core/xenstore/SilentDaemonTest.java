package io.xenemu.core.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Sockets whose other end is stopped, or is no XenStore.
@Timeout(60)
final class SilentDaemonTest {
    private static final Duration SHORT = Duration.ofSeconds(1);
    private static final String SILENT =
            "no answer within 1 s: the daemon is stopped, or what listens there is no XenStore";

    @TempDir private Path folder = Path.of("");

    private UnixDomainSocketAddress address() {
        return UnixDomainSocketAddress.of(folder.resolve("socket"));
    }

    private ServerSocketChannel listen(int backlog) throws IOException {
        return ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(address(), backlog);
    }

    @Test
    void replyThatDoesNotComeIsNotWaitedForLong() throws IOException {
        try (ServerSocketChannel server = listen(8);
                StoreConnection store = StoreConnection.open(folder.resolve("socket"), SHORT)) {
            assertTrue(server.isOpen());
            IOException e = assertThrows(IOException.class, () -> store.read("/tool"));
            assertEquals(SILENT, e.getMessage());
        }
    }

    @Test
    void connectionThatIsNotTakenIsNotWaitedForLong() throws IOException {
        try (ServerSocketChannel server = listen(1);
                SocketChannel _ = SocketChannel.open(address());
                SocketChannel _ = SocketChannel.open(address())) {
            assertTrue(server.isOpen());
            IOException e =
                    assertThrows(
                            IOException.class,
                            () -> StoreConnection.open(folder.resolve("socket"), SHORT));
            assertEquals(SILENT, e.getMessage());
        }
    }

    @Test
    void eventsMayTakeAnyTimeOnceTheWatchIsSet() throws Exception {
        try (ServerSocketChannel server = listen(8);
                StoreConnection store = StoreConnection.open(folder.resolve("socket"), SHORT);
                SocketChannel daemon = server.accept()) {
            Thread answers = Thread.ofVirtual().start(() -> answerAndFireLate(daemon));
            store.watch("/tool", "t");
            assertEquals("/tool", store.nextEvent());
            answers.join();
        }
    }

    private static void answerAndFireLate(SocketChannel daemon) {
        try {
            byte[] header = exactly(daemon, MessageHeader.SIZE);
            byte[] _ = exactly(daemon, MessageHeader.length(header, 0));
            send(daemon, MessageType.WATCH, MessageHeader.requestId(header, 0), "OK\0");
            Thread.sleep(SHORT.multipliedBy(2));
            send(daemon, MessageType.WATCH_EVENT, 0, "/tool\0t\0");
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void send(SocketChannel daemon, MessageType type, int request, String payload)
            throws IOException {
        byte[] bytes = payload.getBytes(StandardCharsets.ISO_8859_1);
        byte[] header = new byte[MessageHeader.SIZE];
        MessageHeader.put(header, 0, type, request, 0, bytes.length);
        daemon.write(new ByteBuffer[] {ByteBuffer.wrap(header), ByteBuffer.wrap(bytes)});
    }

    private static byte[] exactly(SocketChannel channel, int bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer) < 0) {
                throw new EOFException();
            }
        }
        return buffer.array();
    }
}
