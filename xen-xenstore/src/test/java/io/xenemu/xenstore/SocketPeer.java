package io.xenemu.xenstore;

import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

/// A host tool's end of XenStore's socket: sends and receives message by message.
public final class SocketPeer {
    private SocketPeer() {}

    /// Sends a request with id 1, outside of transactions.
    public static void send(SocketChannel channel, MessageType type, String payload)
            throws IOException {
        channel.write(ByteBuffer.wrap(RingEnd.message(type, 1, 0, payload)));
    }

    /// Waits for a reply or an event.
    static Rig.Reply receive(SocketChannel channel) throws IOException {
        byte[] header = read(channel, MessageHeader.SIZE);
        byte[] payload = read(channel, MessageHeader.length(header, 0));
        return new Rig.Reply(
                MessageHeader.type(header, 0),
                MessageHeader.requestId(header, 0),
                MessageHeader.transactionId(header, 0),
                new String(payload, StandardCharsets.ISO_8859_1));
    }

    /// The payload of the next message, a character a byte.
    public static String receiveText(SocketChannel channel) throws IOException {
        return receive(channel).text();
    }

    /// Waits for so many bytes.
    ///
    /// @throws EOFException when the server has hung up
    public static byte[] read(SocketChannel channel, int bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer) < 0) {
                throw new EOFException("disconnected");
            }
        }
        return buffer.array();
    }
}
