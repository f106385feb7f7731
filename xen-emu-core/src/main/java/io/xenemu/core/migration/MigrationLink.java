package io.xenemu.core.migration;

import io.xenemu.kvm.socket.StreamSocket;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ByteChannel;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.zip.CRC32C;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The connection of a migration: messages, each with its type, length and checksum, and between them the guest's
/// stream. One thread sends, and one receives; any thread closes it, which ends a wait.
public final class MigrationLink implements AutoCloseable {
    /// The longest body: a configuration with a processor's policy is far shorter.
    static final int MAX_BODY_BYTES = 1 << 20;

    /// "XMSG", little-endian: what begins otherwise is no message.
    private static final int MAGIC = 0x4753_4d58;

    private static final Duration DRAIN_LIMIT = Duration.ofSeconds(5);

    private static final int HEAD_BYTES = 3 * Integer.BYTES;

    private static final Logger log = LoggerFactory.getLogger(MigrationLink.class);

    private final ByteChannel channel;

    /// @param channel blocking; closed with this
    public MigrationLink(ByteChannel channel) {
        this.channel = channel;
    }

    /// The connection, for the stream between two messages.
    public ByteChannel channel() {
        return channel;
    }

    /// Ends the use of the connection here, between two messages.
    ///
    /// @return the connection, for whoever closes it from now on
    /// @throws IOException if it is closed, or cannot be given away
    public StreamSocket detach() throws IOException {
        if (channel instanceof DetachableChannel detachable) {
            return detachable.detach();
        }
        throw new IOException("this connection cannot be given to another process");
    }

    /// Sends a message.
    ///
    /// @throws IOException if the connection is lost
    public void send(MigrationMessage message) throws IOException {
        byte[] body = message.body().toBytes();
        ByteBuffer bytes =
                littleEndian(HEAD_BYTES + body.length + Integer.BYTES)
                        .putInt(MAGIC)
                        .putInt(message.type())
                        .putInt(body.length)
                        .put(body);
        bytes.putInt(crc(bytes.duplicate().flip())).flip();
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    /// Waits for a message.
    ///
    /// @param limit the longest wait, after which the connection is closed
    /// @throws WireException if there comes something else, or the connection ends
    /// @throws IOException if the connection is lost
    public MigrationMessage receive(Duration limit) throws IOException {
        AtomicBoolean late = new AtomicBoolean();
        Thread watch = closeAfter(limit, late);
        try {
            return receive();
        } catch (IOException e) {
            if (late.get()) {
                IOException timeout =
                        new SocketTimeoutException(
                                "the other side has not answered for " + limit.toSeconds() + " s");
                timeout.addSuppressed(e);
                throw timeout;
            }
            throw e;
        } finally {
            watch.interrupt();
        }
    }

    /// Waits for a message, however long that takes.
    ///
    /// @throws WireException if there comes something else, or the connection ends
    /// @throws IOException if the connection is lost
    public MigrationMessage receive() throws IOException {
        ByteBuffer head = fill(HEAD_BYTES);
        int magic = head.getInt();
        int type = head.getInt();
        int length = head.getInt();
        if (magic != MAGIC) {
            throw new WireException("the other side does not speak of a migration");
        }
        if (length < 0 || length > MigrationMessage.longestBody(type)) {
            throw new WireException("a message's length is wrong");
        }
        byte[] body = new byte[length];
        fill(length).get(body);
        int crc = fill(Integer.BYTES).getInt();
        CRC32C expected = new CRC32C();
        expected.update(head.rewind());
        expected.update(body);
        if (crc != (int) expected.getValue()) {
            throw new WireException("a message's checksum is wrong");
        }
        return MigrationMessage.read(type, new BodyReader(body));
    }

    /// Lets the other side read what was sent: reads and forgets all until it closes the connection, for a few seconds
    /// at most.
    public void drain() throws IOException {
        Thread watch = closeAfter(DRAIN_LIMIT, new AtomicBoolean());
        try {
            ByteBuffer bytes = ByteBuffer.allocate(1 << 16);
            while (channel.read(bytes) >= 0) {
                bytes.clear();
            }
        } finally {
            watch.interrupt();
        }
    }

    /// Closes the connection after a time.
    ///
    /// @param late is set before
    /// @return to be interrupted if it need not be closed
    private Thread closeAfter(Duration limit, AtomicBoolean late) {
        return Thread.ofVirtual()
                .name("migration-limit")
                .start(() -> {
                    try {
                        Thread.sleep(limit);
                        late.set(true);
                        close();
                    } catch (InterruptedException e) {
                        // What was waited for has come.
                    }
                });
    }

    private ByteBuffer fill(int count) throws IOException {
        ByteBuffer bytes = littleEndian(count);
        while (bytes.hasRemaining()) {
            if (channel.read(bytes) < 0) {
                throw new WireException("the other side has closed the connection");
            }
        }
        return bytes.flip();
    }

    private static int crc(ByteBuffer bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }

    private static ByteBuffer littleEndian(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            log.debug("a migration's connection: {}", e.toString());
        }
    }
}
