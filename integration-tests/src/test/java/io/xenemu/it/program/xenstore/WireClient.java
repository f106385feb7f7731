package io.xenemu.it.program.xenstore;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;

/// A client that says exactly what it is told to, on a daemon's Unix socket.
final class WireClient implements AutoCloseable {
    private static final long ANSWER_MILLIS = 5_000;

    private final SocketChannel channel;
    private final Selector selector;

    WireClient(Path socket) throws IOException {
        channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        channel.connect(UnixDomainSocketAddress.of(socket));
        channel.configureBlocking(false);
        selector = Selector.open();
        channel.register(selector, SelectionKey.OP_READ);
    }

    /// Sends a message, whose header says the payload's true length.
    void send(WireMessage message) throws IOException {
        byte[] payload = message.payloadBytes();
        send(message, payload.length);
    }

    /// Sends a message, whose header says any length.
    void send(WireMessage message, int length) throws IOException {
        byte[] payload = message.payloadBytes();
        ByteBuffer bytes =
                ByteBuffer.allocate(WireMessage.HEADER_SIZE + payload.length)
                        .order(ByteOrder.nativeOrder())
                        .putInt(message.type())
                        .putInt(message.requestId())
                        .putInt(message.transactionId())
                        .putInt(length)
                        .put(payload)
                        .flip();
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    /// The next message.
    ///
    /// @throws EOFException when the daemon has closed the connection
    WireMessage receive() throws IOException {
        ByteBuffer header = exactly(WireMessage.HEADER_SIZE).order(ByteOrder.nativeOrder());
        int type = header.getInt();
        int requestId = header.getInt();
        int transactionId = header.getInt();
        byte[] payload = exactly(header.getInt()).array();
        return new WireMessage(type, requestId, transactionId, new String(payload, ISO_8859_1));
    }

    private ByteBuffer exactly(int length) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(length);
        while (bytes.hasRemaining()) {
            int count = channel.read(bytes);
            if (count < 0) {
                throw new EOFException("the daemon has closed the connection");
            }
            if (count == 0 && selector.select(ANSWER_MILLIS) == 0) {
                throw new IOException("no answer");
            }
            selector.selectedKeys().clear();
        }
        return bytes.flip();
    }

    @Override
    public void close() throws IOException {
        selector.close();
        channel.close();
    }
}
