package io.xenemu.core.migration;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Bytes through a connection to a client, from and to buffers of both kinds.
@Timeout(60)
final class DetachableChannelTest {
    /// More than the sockets hold, and no multiple of what goes at a time.
    private static final int BYTES = (3 << 20) + 4711;

    private static final int BEFORE = 13;

    @TempDir private Path folder = Path.of("");
    private ServerSocketChannel server;
    private DetachableChannel channel;
    private SocketChannel client;

    @BeforeEach
    void connect() throws IOException {
        Path path = folder.resolve("client");
        server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(path));
        channel = DetachableChannel.connect(path);
        client = server.accept();
    }

    @AfterEach
    void close() throws IOException {
        channel.close();
        client.close();
        server.close();
    }

    private static byte[] random() {
        byte[] bytes = new byte[BYTES];
        new Random(1).nextBytes(bytes);
        return bytes;
    }

    private static ByteBuffer buffer(boolean isDirect) {
        ByteBuffer buffer =
                isDirect
                        ? ByteBuffer.allocateDirect(BEFORE + BYTES)
                        : ByteBuffer.allocate(BEFORE + BYTES);
        return buffer.position(BEFORE);
    }

    private static byte[] all(ByteChannel from, ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            int before = buffer.position();
            int count = from.read(buffer);
            assertEquals(before + count, buffer.position());
        }
        byte[] bytes = new byte[BYTES];
        buffer.get(BEFORE, bytes);
        return bytes;
    }

    private void sends(boolean isDirect) throws Exception {
        byte[] bytes = random();
        FutureTask<byte[]> taken = new FutureTask<>(() -> all(client, buffer(false)));
        Thread _ = Thread.ofPlatform().daemon().start(taken);
        ByteBuffer sent = buffer(isDirect);
        sent.put(bytes).position(BEFORE);
        assertEquals(BYTES, channel.write(sent));
        assertEquals(0, sent.remaining());
        assertArrayEquals(bytes, taken.get());
    }

    private void receives(boolean isDirect) throws Exception {
        byte[] bytes = random();
        FutureTask<byte[]> taken = new FutureTask<>(() -> all(channel, buffer(isDirect)));
        Thread _ = Thread.ofPlatform().daemon().start(taken);
        for (ByteBuffer sent = ByteBuffer.wrap(bytes); sent.hasRemaining(); ) {
            client.write(sent);
        }
        assertArrayEquals(bytes, taken.get());
    }

    @Test
    void bytesOfBothKindsOfBuffersAreSent() throws Exception {
        sends(true);
        sends(false);
    }

    @Test
    void bytesComeIntoBothKindsOfBuffers() throws Exception {
        receives(true);
        receives(false);
    }

    @Test
    void nothingIsReadIntoAFullBuffer() throws IOException {
        assertEquals(0, channel.read(ByteBuffer.allocate(0)));
        assertEquals(0, channel.read(ByteBuffer.allocateDirect(0)));
    }

    @Test
    void endIsTold() throws IOException {
        client.close();
        assertEquals(-1, channel.read(ByteBuffer.allocateDirect(10)));
        assertEquals(-1, channel.read(ByteBuffer.allocate(10)));
    }

    @Test
    void closedChannelTakesNothing() {
        channel.close();
        assertThrows(
                ClosedChannelException.class, () -> channel.write(ByteBuffer.allocateDirect(1)));
        assertThrows(
                ClosedChannelException.class, () -> channel.read(ByteBuffer.allocateDirect(1)));
    }
}
