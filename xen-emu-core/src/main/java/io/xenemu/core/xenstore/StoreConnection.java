package io.xenemu.core.xenstore;

import static java.util.stream.Collectors.joining;

import io.xenemu.core.control.SocketDeadline;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// A connection to a XenStore daemon, by its socket or, in a guest, by the kernel's device. Not thread-safe. Text is
/// ISO 8859-1, so that every byte survives. Every wait has a limit, except that for an event.
public final class StoreConnection implements AutoCloseable {
    private static final int FILE_TYPE = 0xf000;
    private static final int CHARACTER_DEVICE = 0x2000;

    /// The limit for connecting and for each reply, on a busy host: no request takes a daemon a second. A peer that
    /// is silent longer is stopped, or not a XenStore.
    private static final Duration REPLY_LIMIT = Duration.ofSeconds(10);

    private final ByteChannel channel;
    private final Duration limit;
    private final ArrayDeque<String> events = new ArrayDeque<>();
    private int transaction;
    private int lastRequest;

    /// One message from the daemon.
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Message(int type, int request, byte[] payload) {}

    private StoreConnection(ByteChannel channel, Duration limit) {
        this.channel = channel;
        this.limit = limit;
    }

    /// Connects.
    ///
    /// @param path a socket, or the device
    /// @throws IOException if no daemon serves it, this user may not connect, or it accepts no connection in time
    public static StoreConnection open(Path path) throws IOException {
        return open(path, REPLY_LIMIT);
    }

    /// Connects with another limit.
    ///
    /// @param limit for connecting, and then for each reply
    static StoreConnection open(Path path, Duration limit) throws IOException {
        boolean device =
                Files.getAttribute(path, "unix:mode") instanceof Integer mode
                        && (mode & FILE_TYPE) == CHARACTER_DEVICE;
        return new StoreConnection(
                device
                        ? FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)
                        : connect(path, limit),
                limit);
    }

    /// Connects to a socket. A stopped daemon with a full queue accepts no connection either, hence the limit.
    private static SocketChannel connect(Path path, Duration limit) throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        SocketDeadline deadline = SocketDeadline.of(channel, limit);
        try (deadline) {
            boolean _ = channel.connect(UnixDomainSocketAddress.of(path));
            return channel;
        } catch (IOException e) {
            channel.close();
            throw deadline.passed() ? silent(limit, e) : e;
        }
    }

    private static IOException silent(Duration limit, IOException cause) {
        return new IOException(
                "no answer within "
                        + limit.toSeconds()
                        + " s: the daemon is stopped, or what listens there is no XenStore",
                cause);
    }

    static byte[] latin(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    private static String text(byte[] payload) {
        return new String(payload, StandardCharsets.ISO_8859_1);
    }

    /// The strings of a payload; each ends with a NUL.
    private static List<String> strings(byte[] payload) {
        List<String> strings = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < payload.length; i++) {
            if (payload[i] == 0) {
                strings.add(text(Arrays.copyOfRange(payload, start, i)));
                start = i + 1;
            }
        }
        return strings;
    }

    // --- requests

    /// The value of a node.
    ///
    /// @throws RequestFailed the daemon's error
    public byte[] read(String path) throws IOException, RequestFailed {
        return request(MessageType.READ, path);
    }

    /// Writes a node; creates it and missing nodes above.
    ///
    /// @throws RequestFailed the daemon's error
    public void write(String path, byte[] value) throws IOException, RequestFailed {
        request(MessageType.WRITE, path, value);
    }

    /// Removes a node and all nodes below.
    ///
    /// @throws RequestFailed the daemon's error
    public void remove(String path) throws IOException, RequestFailed {
        request(MessageType.RM, path);
    }

    /// The names of the children, however many there are.
    ///
    /// @throws RequestFailed the daemon's error
    public List<String> list(String path) throws IOException, RequestFailed {
        try {
            return strings(request(MessageType.DIRECTORY, path));
        } catch (RequestFailed e) {
            if (e.is("E2BIG")) {
                return listParts(path);
            }
            throw e;
        }
    }

    private List<String> listParts(String path) throws IOException, RequestFailed {
        List<String> names = new ArrayList<>();
        String generation = "";
        int offset = 0;
        while (true) {
            List<String> part = strings(request(MessageType.DIRECTORY_PART, path, "" + offset));
            if (part.isEmpty()) {
                throw new IOException("a listing without its generation");
            }
            if (!part.getFirst().equals(generation)) {
                generation = part.getFirst(); // it has changed meanwhile: once more
                boolean wasFirst = offset == 0;
                names.clear();
                offset = 0;
                if (!wasFirst) {
                    continue;
                }
            }
            for (String name : part.subList(1, part.size())) {
                if (name.isEmpty()) {
                    return names;
                }
                names.add(name);
                offset += name.length() + 1;
            }
        }
    }

    /// The permission entries of a node, such as `n0`.
    List<String> permissions(String path) throws IOException, RequestFailed {
        return strings(request(MessageType.GET_PERMS, path));
    }

    void setPermissions(String path, List<String> permissions) throws IOException, RequestFailed {
        setPermissions(path, latin(permissions.stream().map(p -> p + '\0').collect(joining())));
    }

    /// @param permissions entries, each with its NUL
    void setPermissions(String path, byte[] permissions) throws IOException, RequestFailed {
        request(MessageType.SET_PERMS, path, permissions);
    }

    /// Registers a watch, whose events wait for [#nextEvent].
    ///
    /// @throws RequestFailed the daemon's error
    public void watch(String path, String token) throws IOException, RequestFailed {
        request(MessageType.WATCH, path, token);
    }

    /// Waits for a watch event; returns its path.
    String nextEvent() throws IOException {
        while (events.isEmpty()) {
            Message message = receive();
            if (!takeEvent(message)) {
                throw new IOException("unexpected reply of type " + message.type);
            }
        }
        return events.removeFirst();
    }

    /// Starts a transaction; all later requests belong to it.
    ///
    /// @throws RequestFailed the daemon's error
    public void begin() throws IOException, RequestFailed {
        String id = strings(request(MessageType.TRANSACTION_START, "")).getFirst();
        try {
            transaction = Integer.parseUnsignedInt(id);
        } catch (NumberFormatException e) {
            throw new IOException("not a transaction: " + id, e);
        }
    }

    /// Ends the transaction.
    ///
    /// @throws RequestFailed EAGAIN if it has to be repeated
    public void end(boolean commit) throws IOException, RequestFailed {
        int id = transaction;
        transaction = 0;
        request(MessageType.TRANSACTION_END, id, latin(commit ? "T\0" : "F\0"));
    }

    // --- messages

    private byte[] request(MessageType type, String... strings) throws IOException, RequestFailed {
        return request(type, transaction, latin(String.join("\0", strings) + '\0'));
    }

    /// @param rest the bytes after the path
    private void request(MessageType type, String path, byte[] rest)
            throws IOException, RequestFailed {
        byte[] start = latin(path + '\0');
        byte[] payload = Arrays.copyOf(start, start.length + rest.length);
        System.arraycopy(rest, 0, payload, start.length, rest.length);
        request(type, transaction, payload);
    }

    private byte[] request(MessageType type, int inTransaction, byte[] payload)
            throws IOException, RequestFailed {
        if (payload.length > MessageHeader.PAYLOAD_MAX) {
            throw new RequestFailed("E2BIG");
        }
        byte[] message = new byte[MessageHeader.SIZE + payload.length];
        int id = ++lastRequest;
        MessageHeader.put(message, 0, type, id, inTransaction, payload.length);
        System.arraycopy(payload, 0, message, MessageHeader.SIZE, payload.length);
        Message reply = reply(message);
        if (reply.request != id) {
            throw new IOException("a reply to another request");
        }
        if (reply.type == MessageType.ERROR.code()) {
            List<String> error = strings(reply.payload);
            throw new RequestFailed(error.isEmpty() ? text(reply.payload) : error.getFirst());
        }
        return reply.payload;
    }

    /// Sends a request, and returns the next message that is not an event.
    private Message reply(byte[] request) throws IOException {
        SocketDeadline deadline = SocketDeadline.of(channel, limit);
        try (deadline) {
            ByteBuffer bytes = ByteBuffer.wrap(request);
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            Message reply = receive();
            while (takeEvent(reply)) {
                reply = receive();
            }
            return reply;
        } catch (IOException e) {
            throw deadline.passed() ? silent(limit, e) : e;
        }
    }

    private boolean takeEvent(Message message) {
        if (message.type != MessageType.WATCH_EVENT.code()) {
            return false;
        }
        List<String> event = strings(message.payload);
        if (!event.isEmpty()) {
            events.add(event.getFirst());
        }
        return true;
    }

    private Message receive() throws IOException {
        byte[] header = bytes(MessageHeader.SIZE);
        int length = MessageHeader.length(header, 0);
        if (MessageHeader.isTooLong(length)) {
            throw new IOException(
                    "a message of " + Integer.toUnsignedString(length) + " bytes from the daemon");
        }
        return new Message(
                MessageHeader.type(header, 0), MessageHeader.requestId(header, 0), bytes(length));
    }

    private byte[] bytes(int length) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(length);
        while (bytes.hasRemaining()) {
            if (channel.read(bytes) < 0) {
                throw new EOFException("the daemon has closed the connection");
            }
        }
        return bytes.array();
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
