package io.xenemu.core.backend.nbd;

import static java.nio.charset.StandardCharsets.US_ASCII;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/// An NBD server of a test: a disk in memory behind a Unix socket, with the misbehaviour that the test asks for. It has
/// a cache that a crash empties: only a flush makes writes durable.
final class FakeNbdServer implements NbdServer {
    static final int FLAGS =
            NbdProtocol.HAS_FLAGS
                    | NbdProtocol.SEND_FLUSH
                    | NbdProtocol.SEND_TRIM
                    | NbdProtocol.SEND_WRITE_ZEROES;

    /// Handles a request; answers, or not, as it likes.
    interface Behaviour {
        void handle(Session session, Request request) throws IOException;
    }

    /// A request as it came.
    @SuppressWarnings("ArrayRecordComponent") // nobody compares requests
    record Request(int flags, int command, long cookie, long offset, int length, byte[] data) {
        Request withoutData() {
            return new Request(flags, command, cookie, offset, length, new byte[0]);
        }
    }

    final Path folder;
    final Path path;
    final byte[] durable;
    byte[] cached;
    volatile int flags = FLAGS;
    volatile boolean structured = true;
    volatile boolean knowsGo = true;
    volatile int minimumBlock = 1;

    /// Whether it tells its smallest block also to clients that do not ask.
    volatile boolean insists;

    volatile long size;
    volatile boolean records = true;
    volatile Behaviour behaviour = Session::serve;

    /// Whether connecting to it ends in a bug of the service.
    volatile boolean hasBug;

    final AtomicInteger connections = new AtomicInteger();
    final AtomicInteger abandoned = new AtomicInteger();
    volatile boolean closed;
    final ConcurrentLinkedQueue<Request> seen = new ConcurrentLinkedQueue<>();
    private final ServerSocketChannel listener;
    private final CopyOnWriteArrayList<SocketChannel> open = new CopyOnWriteArrayList<>();

    FakeNbdServer(int bytes) throws IOException {
        folder = Files.createTempDirectory("nbd");
        path = folder.resolve("s");
        durable = new byte[bytes];
        cached = new byte[bytes];
        size = bytes;
        listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(UnixDomainSocketAddress.of(path));
        Thread.ofPlatform().name("fake-nbd").daemon().start(this::accept);
    }

    private void accept() {
        try {
            while (true) {
                SocketChannel channel = listener.accept();
                open.add(channel);
                Thread.ofPlatform().name("fake-nbd-session").daemon().start(() -> run(channel));
            }
        } catch (IOException _) {
            // The test has ended.
        }
    }

    private void run(SocketChannel channel) {
        try (channel) {
            Session session = new Session(channel);
            session.greet();
            connections.incrementAndGet();
            while (true) {
                Request request = session.next();
                if (request.command() == NbdProtocol.CMD_DISC) {
                    return;
                }
                if (records) {
                    seen.add(request.withoutData());
                }
                behaviour.handle(session, request);
            }
        } catch (IOException _) {
            // The client has gone, or the test ends the connection.
        }
    }

    /// Dies and comes back: connections end, and what was not flushed is lost.
    void crash() throws IOException {
        for (SocketChannel channel : open) {
            channel.close();
        }
        open.clear();
        synchronized (this) {
            cached = durable.clone();
        }
    }

    List<Integer> commands() {
        return seen.stream().map(Request::command).toList();
    }

    @Override
    public StreamSocket connect() throws IOException {
        if (hasBug) {
            throw new IllegalStateException("a bug");
        }
        return StreamSocket.connect(path, Duration.ofSeconds(5));
    }

    @Override
    public IOException explained(IOException failure) {
        return failure;
    }

    @Override
    public String export() {
        return "disk";
    }

    @Override
    public void abandon() {
        abandoned.incrementAndGet();
    }

    @Override
    public long restarts() {
        return 0;
    }

    @Override
    public Optional<String> stays() {
        return Optional.of("a fake stays");
    }

    @Override
    public ImmutableIntArray descriptors() {
        throw new IllegalStateException("it stays");
    }

    @Override
    public void handedOver() {
        throw new IllegalStateException("it stays");
    }

    @Override
    public void close() {
        closed = true;
        try {
            listener.close();
            crash();
            Files.deleteIfExists(path);
            Files.deleteIfExists(folder);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /// One connection.
    final class Session {
        private final SocketChannel channel;
        private final DataInputStream in;
        final DataOutputStream out;

        Session(SocketChannel channel) {
            this.channel = channel;
            in = new DataInputStream(Channels.newInputStream(channel));
            out = new DataOutputStream(Channels.newOutputStream(channel));
        }

        void greet() throws IOException {
            out.writeLong(NbdProtocol.MAGIC);
            out.writeLong(NbdProtocol.OPTION_MAGIC);
            out.writeShort(NbdProtocol.FIXED_NEWSTYLE | NbdProtocol.NO_ZEROES);
            in.readInt();
            while (true) {
                in.readLong();
                int option = in.readInt();
                byte[] data = in.readNBytes(in.readInt());
                switch (option) {
                    case NbdProtocol.OPT_STRUCTURED_REPLY ->
                            reply(
                                    option,
                                    structured ? NbdProtocol.REP_ACK : NbdProtocol.REP_ERR_UNSUP);
                    case NbdProtocol.OPT_SET_META_CONTEXT -> {
                        reply(
                                option,
                                NbdProtocol.REP_META_CONTEXT,
                                ByteBuffer.allocate(19)
                                        .putInt(7)
                                        .put("base:allocation".getBytes(US_ASCII))
                                        .array());
                        reply(option, NbdProtocol.REP_ACK);
                    }
                    case NbdProtocol.OPT_GO -> {
                        if (knowsGo) {
                            boolean asked = data[data.length - 1] != 0;
                            go(option, asked);
                            return;
                        }
                        reply(option, NbdProtocol.REP_ERR_UNSUP);
                    }
                    case NbdProtocol.OPT_EXPORT_NAME -> {
                        out.writeLong(size);
                        out.writeShort(flags);
                        return;
                    }
                    default -> reply(option, NbdProtocol.REP_ERR_UNSUP);
                }
            }
        }

        private void go(int option, boolean asked) throws IOException {
            reply(
                    option,
                    NbdProtocol.REP_INFO,
                    ByteBuffer.allocate(12)
                            .putShort((short) NbdProtocol.INFO_EXPORT)
                            .putLong(size)
                            .putShort((short) flags)
                            .array());
            reply(
                    option,
                    NbdProtocol.REP_INFO,
                    ByteBuffer.allocate(14)
                            .putShort((short) NbdProtocol.INFO_BLOCK_SIZE)
                            .putInt(asked || insists ? minimumBlock : 1)
                            .putInt(4096)
                            .putInt(1 << 25)
                            .array());
            reply(option, NbdProtocol.REP_ACK);
        }

        void reply(int option, int type, byte... data) throws IOException {
            out.writeLong(NbdProtocol.OPTION_REPLY_MAGIC);
            out.writeInt(option);
            out.writeInt(type);
            out.writeInt(data.length);
            out.write(data);
        }

        Request next() throws IOException {
            if (in.readInt() != NbdProtocol.REQUEST_MAGIC) {
                throw new AssertionError("not a request");
            }
            int requestFlags = in.readUnsignedShort();
            int command = in.readUnsignedShort();
            long cookie = in.readLong();
            long offset = in.readLong();
            int length = in.readInt();
            byte[] data = command == NbdProtocol.CMD_WRITE ? in.readNBytes(length) : new byte[0];
            return new Request(requestFlags, command, cookie, offset, length, data);
        }

        /// Does what was asked, and answers.
        void serve(Request r) throws IOException {
            int offset = Math.toIntExact(r.offset());
            byte[] data = new byte[0];
            synchronized (FakeNbdServer.this) {
                switch (r.command()) {
                    case NbdProtocol.CMD_READ -> {
                        data = new byte[r.length()];
                        System.arraycopy(cached, offset, data, 0, r.length());
                    }
                    case NbdProtocol.CMD_WRITE ->
                            System.arraycopy(r.data(), 0, cached, offset, r.length());
                    case NbdProtocol.CMD_FLUSH ->
                            System.arraycopy(cached, 0, durable, 0, cached.length);
                    case NbdProtocol.CMD_TRIM, NbdProtocol.CMD_WRITE_ZEROES ->
                            System.arraycopy(new byte[r.length()], 0, cached, offset, r.length());
                    default -> throw new AssertionError(r);
                }
            }
            answer(r, data);
        }

        /// Answers with success.
        void answer(Request r, byte[] data) throws IOException {
            if (r.command() != NbdProtocol.CMD_READ) {
                simple(r, 0);
            } else if (structured) {
                data(r, r.offset(), data, true);
            } else {
                simple(r, 0);
                out.write(data);
            }
        }

        void simple(Request r, int error) throws IOException {
            ByteBuffer header =
                    ByteBuffer.allocate(NbdProtocol.SIMPLE_REPLY_BYTES)
                            .putInt(NbdProtocol.SIMPLE_REPLY_MAGIC)
                            .putInt(error)
                            .putLong(r.cookie());
            out.write(header.array());
        }

        void data(Request r, long offset, byte[] data, boolean isLast) throws IOException {
            chunk(r, NbdProtocol.REPLY_OFFSET_DATA, Long.BYTES + data.length, isLast);
            out.writeLong(offset);
            out.write(data);
        }

        void chunk(Request r, int type, int length, boolean isLast) throws IOException {
            out.writeInt(NbdProtocol.STRUCTURED_REPLY_MAGIC);
            out.writeShort(isLast ? NbdProtocol.REPLY_FLAG_DONE : 0);
            out.writeShort(type);
            out.writeLong(r.cookie());
            out.writeInt(length);
        }

        void hangUp() throws IOException {
            channel.close();
        }
    }
}
