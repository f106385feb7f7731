package io.xenemu.core.guest;

import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.EOFException;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/// A program of the host that is connected to XenStore's socket.
public final class StoreTool implements AutoCloseable {
    private final SocketChannel channel;

    public StoreTool(Path socket) throws IOException {
        channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
    }

    /// Sends a request, and does not wait.
    ///
    /// @param payload with `|` for each NUL
    public void send(MessageType type, int transaction, String payload) throws IOException {
        byte[] body = payload.replace('|', '\0').getBytes(StandardCharsets.ISO_8859_1);
        byte[] message = new byte[MessageHeader.SIZE + body.length];
        MessageHeader.put(message, 0, type, 0, transaction, body.length);
        System.arraycopy(body, 0, message, MessageHeader.SIZE, body.length);
        ByteBuffer left = ByteBuffer.wrap(message);
        while (left.hasRemaining()) {
            channel.write(left);
        }
    }

    /// The payload of the next message, with `|` for each NUL.
    public String next() throws IOException {
        byte[] header = read(MessageHeader.SIZE);
        byte[] payload = read(MessageHeader.length(header, 0));
        return new String(payload, StandardCharsets.ISO_8859_1).replace('\0', '|');
    }

    /// Sends a request, and returns its reply, if no event comes before.
    public String ask(MessageType type, int transaction, String payload) throws IOException {
        send(type, transaction, payload);
        return next();
    }

    private byte[] read(int bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer) < 0) {
                throw new EOFException("XenStore has ended the connection");
            }
        }
        return buffer.array();
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
