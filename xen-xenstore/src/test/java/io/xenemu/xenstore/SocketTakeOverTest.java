package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.socket.StreamListener;
import io.xenemu.kvm.testing.SentDescriptors;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.xenstore.state.XenStoreCodec;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.state.XenStoreState.SocketState;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A socket with its clients goes from one server to another one, as from process to process.
@Timeout(120)
final class SocketTakeOverTest {
    private static final int PIPELINED = 4000;

    @TempDir private Path folder = Path.of("");

    private Path path() {
        return folder.resolve("xs");
    }

    private SocketChannel connect() throws IOException {
        return SocketChannel.open(UnixDomainSocketAddress.of(path()));
    }

    private static void send(SocketChannel client, MessageType type, int id, int tx, String payload)
            throws IOException {
        send(client, RingEnd.message(type, id, tx, payload));
    }

    private static void send(SocketChannel client, byte[] bytes) throws IOException {
        ByteBuffer left = ByteBuffer.wrap(bytes);
        while (left.hasRemaining()) {
            client.write(left);
        }
    }

    /// The next message as its type and payload.
    private static String next(SocketChannel client) throws IOException {
        byte[] header = SocketRig.read(client, MessageHeader.SIZE);
        assertEquals(MessageHeader.SIZE, header.length, "the connection has ended");
        byte[] payload = SocketRig.read(client, MessageHeader.length(header, 0));
        return header[0]
                + " "
                + new String(payload, StandardCharsets.ISO_8859_1).replace('\0', '|');
    }

    private static String reply(MessageType type, String payload) {
        return type.code() + " " + payload;
    }

    /// Makes a server that takes all of another one, which serves nobody. It does not serve yet.
    private Rig takenFrom(Rig old) throws Exception {
        old.server.hold();
        XenStoreState state =
                XenStoreCodec.decode(
                        XenStoreCodec.VERSION,
                        new BodyReader(
                                XenStoreCodec.encode(old.server.saveWithSocket()).toBytes()));
        List<Integer> numbers = new ArrayList<>(List.of(state.descriptors().listener()));
        state.sockets().forEach(client -> numbers.add(client.descriptor()));
        ImmutableIntArray own = SentDescriptors.of(ImmutableIntArray.copyOf(numbers));
        Rig next = new Rig();
        next.server.restoreBeforeDomains(state);
        List<SocketState> clients = new ArrayList<>();
        for (int i = 0; i < state.sockets().size(); i++) {
            clients.add(new SocketState(own.get(i + 1), state.sockets().get(i).connection()));
        }
        next.server.takeOver(
                StreamListener.received(
                        own.get(0), Objects.requireNonNull(old.server.socketPath())),
                clients);
        return next;
    }

    private Rig handOver(Rig old) throws Exception {
        Rig next = takenFrom(old);
        serve(old, next);
        return next;
    }

    private static void serve(Rig old, Rig next) throws IOException {
        old.server.handedOver();
        old.close();
        next.server.proceed();
    }

    @Test
    void clientKeepsWatchesTransactionsRequestsAndOutput() throws Exception {
        Rig old = new Rig();
        old.server.listen(path());
        byte[] request = RingEnd.message(MessageType.READ, 9, 0, "/n\0");
        try (SocketChannel client = connect()) {
            send(client, MessageType.WATCH, 1, 0, "/w\0token\0");
            assertEquals(reply(MessageType.WATCH, "OK|"), next(client));
            assertEquals(reply(MessageType.WATCH_EVENT, "/w|token|"), next(client));
            send(client, MessageType.TRANSACTION_START, 2, 0, "\0");
            assertEquals(reply(MessageType.TRANSACTION_START, "1|"), next(client));
            send(client, MessageType.WRITE, 3, 1, "/n\0mine");
            assertEquals(reply(MessageType.WRITE, "OK|"), next(client));
            send(client, Arrays.copyOf(request, 7));
            old.server.client().write("/w/before", "");
            try (Rig next = takenFrom(old);
                    SocketChannel late = connect()) {
                serve(old, next);
                assertEquals(reply(MessageType.WATCH_EVENT, "/w/before|token|"), next(client));
                send(client, Arrays.copyOfRange(request, 7, request.length));
                assertEquals(reply(MessageType.ERROR, "ENOENT|"), next(client));
                next.server.client().write("/w/after", "");
                assertEquals(reply(MessageType.WATCH_EVENT, "/w/after|token|"), next(client));
                send(client, MessageType.TRANSACTION_END, 4, 1, "T\0");
                assertEquals(reply(MessageType.TRANSACTION_END, "OK|"), next(client));
                assertEquals("mine", next.server.client().read("/n"));
                // It has waited in the socket.
                send(late, MessageType.READ, 1, 0, "/n\0");
                assertEquals(reply(MessageType.READ, "mine"), next(late));
                assertTrue(Files.exists(path()));
            }
            assertFalse(Files.exists(path()));
            assertEquals(0, SocketRig.read(client, 1).length);
        }
    }

    @Test
    void transactionInConflictFailsAtTheOtherServerToo() throws Exception {
        Rig old = new Rig();
        old.server.listen(path());
        try (SocketChannel client = connect()) {
            send(client, MessageType.TRANSACTION_START, 1, 0, "\0");
            assertEquals(reply(MessageType.TRANSACTION_START, "1|"), next(client));
            send(client, MessageType.WRITE, 2, 1, "/n\0mine");
            assertEquals(reply(MessageType.WRITE, "OK|"), next(client));
            old.server.client().write("/n", "another's");
            try (Rig next = handOver(old)) {
                send(client, MessageType.TRANSACTION_END, 3, 1, "T\0");
                assertEquals(reply(MessageType.ERROR, "EAGAIN|"), next(client));
                assertEquals("another's", next.server.client().read("/n"));
            }
        }
    }

    /// A client sends requests all the time, and the socket goes from server to server.
    @Test
    void requestsOnTheirWayAreAllAnsweredInOrder() throws Exception {
        Rig now = new Rig();
        now.server.listen(path());
        String value = "v".repeat(500);
        now.server.client().write("/a", value);
        try (SocketChannel client = connect()) {
            Thread writer =
                    Thread.ofPlatform()
                            .start(() -> {
                                try {
                                    for (int i = 0; i < PIPELINED; i++) {
                                        send(client, MessageType.READ, i, 0, "/a\0");
                                    }
                                } catch (IOException e) {
                                    throw new UncheckedIOException(e);
                                }
                            });
            for (int i = 0; i < PIPELINED; i++) {
                if (i % (PIPELINED / 10) == 1) {
                    now = handOver(now);
                }
                byte[] reply = SocketRig.read(client, MessageHeader.SIZE + value.length());
                assertEquals(MessageHeader.SIZE + value.length(), reply.length);
                assertEquals(i, MessageHeader.requestId(reply, 0));
            }
            writer.join();
            // Lastly it is asleep.
            now = handOver(now);
            send(client, MessageType.READ, 1, 0, "/a\0");
            assertEquals(reply(MessageType.READ, value), next(client));
        } finally {
            now.close();
        }
    }

    @Test
    void serverThatIsNotTakenOverGoesOnWithItsClients() throws Exception {
        try (Rig old = new Rig()) {
            old.server.listen(path());
            try (SocketChannel client = connect()) {
                send(client, MessageType.WATCH, 1, 0, "/w\0token\0");
                assertEquals(reply(MessageType.WATCH, "OK|"), next(client));
                assertEquals(reply(MessageType.WATCH_EVENT, "/w|token|"), next(client));
                takenFrom(old).close();
                assertTrue(Files.exists(path()));
                send(client, MessageType.WRITE, 1, 0, "/w\0a");
                try (SocketChannel late = connect()) {
                    old.server.proceed();
                    assertEquals(reply(MessageType.WATCH_EVENT, "/w|token|"), next(client));
                    assertEquals(reply(MessageType.WRITE, "OK|"), next(client));
                    send(late, MessageType.READ, 1, 0, "/w\0");
                    assertEquals(reply(MessageType.READ, "a"), next(late));
                }
            }
        }
    }

    /// It lags by more than a frame of saved state has room for.
    @Test
    void clientThatDoesNotReadLosesItsConnectionAndTheOthersKeepTheirs() throws Exception {
        Rig old = new Rig();
        old.server.listen(path());
        String token = "t".repeat(1000);
        try (SocketChannel lazy = connect();
                SocketChannel other = connect()) {
            send(lazy, MessageType.WATCH, 1, 0, "/w\0" + token + "\0");
            next(lazy);
            next(lazy);
            send(other, MessageType.WATCH, 1, 0, "/x\0t\0");
            next(other);
            next(other);
            for (int i = 0; i < 20_000; i++) {
                old.server.client().write("/w/" + i, "");
            }
            try (Rig next = handOver(old)) {
                next.server.client().write("/x", "");
                assertEquals(reply(MessageType.WATCH_EVENT, "/x|t|"), next(other));
                while (SocketRig.read(lazy, 1).length > 0) {}
            }
        }
    }

    @Test
    void stateThatContradictsItselfIsRefused() throws Exception {
        try (Rig old = new Rig();
                Rig next = new Rig()) {
            old.server.listen(path());
            try (SocketChannel client = connect()) {
                send(client, MessageType.WATCH, 1, 0, "/w\0token\0");
                next(client);
                old.server.hold();
                XenStoreState.ConnectionState one =
                        old.server.saveWithSocket().sockets().getFirst().connection();
                List<XenStoreState.WatchState> twice = new ArrayList<>(one.watches());
                twice.addAll(one.watches());
                StreamListener listener = StreamListener.bindService(folder.resolve("other"));
                XenError refused =
                        assertThrows(
                                XenError.class,
                                () ->
                                        next.server.takeOver(
                                                listener,
                                                List.of(
                                                        new SocketState(
                                                                -1,
                                                                new XenStoreState.ConnectionState(
                                                                        one.input(),
                                                                        one.output(),
                                                                        twice,
                                                                        List.of())))));
                assertEquals(XenError.EINVAL, refused);
                listener.close();
                old.server.proceed();
            }
        }
    }
}
