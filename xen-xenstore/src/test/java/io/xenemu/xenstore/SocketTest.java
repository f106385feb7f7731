package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.socket.StreamListener;
import io.xenemu.kvm.testing.Tool;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.store.XenStore;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// XenStore on its socket: order, limits, and what becomes of connections.
final class SocketTest extends SocketRig {
    private SocketChannel connect() throws IOException {
        return SocketChannel.open(UnixDomainSocketAddress.of(socket.path()));
    }

    private double connections() {
        return rig.registry.get("xen.xenstore.connections").gauge().value();
    }

    /// A request and its reply, after which the transport's thread has looked at what all others had sent before.
    private static void roundTrip(SocketChannel channel) throws IOException {
        channel.write(ByteBuffer.wrap(RingEnd.message(MessageType.READ, 1, 0, "/\0")));
        assertEquals(MessageHeader.SIZE, read(channel, MessageHeader.SIZE).length);
    }

    @Test
    void pipelinedRequestsOfASlowReaderAreAllAnsweredInOrder() throws Exception {
        String value = "v".repeat(3000);
        rig.server.client().write("/a", value);
        int requests = 5000;
        try (SocketChannel channel = connect()) {
            Thread writer =
                    Thread.ofPlatform()
                            .start(() -> {
                                try {
                                    for (int i = 0; i < requests; i++) {
                                        channel.write(
                                                ByteBuffer.wrap(
                                                        RingEnd.message(
                                                                MessageType.READ, i, 0, "/a\0")));
                                    }
                                } catch (IOException e) {
                                    throw new UncheckedIOException(e);
                                }
                            });
            for (int i = 0; i < requests; i++) {
                byte[] reply = read(channel, MessageHeader.SIZE + value.length());
                assertEquals(i, MessageHeader.requestId(reply, 0));
                assertEquals(value.length(), MessageHeader.length(reply, 0));
            }
            writer.join();
        }
    }

    @Test
    void heldServerAnswersNobodyUntilItProceeds() throws Exception {
        try (SocketChannel early = connect()) {
            roundTrip(early);
            rig.server.hold();
            early.write(ByteBuffer.wrap(RingEnd.message(MessageType.WRITE, 1, 0, "/a\0b")));
            try (SocketChannel late = connect()) {
                late.write(ByteBuffer.wrap(RingEnd.message(MessageType.READ, 1, 0, "/\0")));
                assertThrows(XenError.class, () -> rig.server.client().read("/a"));
                rig.server.proceed();
                assertEquals(MessageHeader.SIZE + 3, read(early, MessageHeader.SIZE + 3).length);
                assertEquals(MessageHeader.SIZE, read(late, MessageHeader.SIZE).length);
                assertEquals("b", rig.server.client().read("/a"));
            }
        }
    }

    @Test
    void heldServerCanBeClosed() throws Exception {
        try (SocketChannel client = connect()) {
            roundTrip(client);
            rig.server.hold();
            rig.server.close();
            assertEquals(0, read(client, 1).length);
        }
    }

    @Test
    void payloadOverTheLimitEndsTheConnectionOnly() throws Exception {
        try (SocketChannel bad = connect();
                SocketChannel good = connect()) {
            byte[] message = RingEnd.message(MessageType.READ, 1, 0, "/\0");
            message[13] = 17;
            bad.write(ByteBuffer.wrap(message));
            assertEquals(0, read(bad, 1).length);
            good.write(ByteBuffer.wrap(RingEnd.message(MessageType.READ, 1, 0, "/\0")));
            assertEquals(MessageHeader.SIZE, read(good, MessageHeader.SIZE).length);
        }
    }

    @Test
    void requestInSingleBytesIsAnswered() throws Exception {
        try (SocketChannel channel = connect()) {
            for (byte b : RingEnd.message(MessageType.GET_DOMAIN_PATH, 1, 0, "7\0")) {
                channel.write(ByteBuffer.wrap(new byte[] {b}));
            }
            byte[] reply = read(channel, MessageHeader.SIZE + 16);
            assertEquals(
                    "/local/domain/7\0",
                    new String(reply, MessageHeader.SIZE, 16, StandardCharsets.US_ASCII));
        }
    }

    @Test
    void closedConnectionTakesItsWatchesAndTransactionsAlong() throws Exception {
        XenStore store = rig.server.access().store();
        try (SocketChannel channel = connect()) {
            channel.write(ByteBuffer.wrap(RingEnd.message(MessageType.WATCH, 1, 0, "/a\0t\0")));
            channel.write(
                    ByteBuffer.wrap(RingEnd.message(MessageType.TRANSACTION_START, 2, 0, "\0")));
            read(channel, 16 + 3 + 16 + 5 + 16 + 2);
            assertEquals(1, store.watchCount());
            assertEquals(1, store.transactionCount());
        }
        socket.close();
        assertEquals(0, store.watchCount());
        assertEquals(0, store.transactionCount());
    }

    @Test
    void manyConnectionsAreServed() throws Exception {
        List<SocketChannel> channels = new ArrayList<>();
        try {
            for (int i = 0; i < 500; i++) {
                channels.add(connect());
            }
            for (SocketChannel channel : channels) {
                channel.write(ByteBuffer.wrap(RingEnd.message(MessageType.READ, 3, 0, "/\0")));
            }
            for (SocketChannel channel : channels) {
                assertEquals(3, MessageHeader.requestId(read(channel, MessageHeader.SIZE), 0));
            }
            assertEquals(500.0, rig.registry.get("xen.xenstore.connections").gauge().value());
        } finally {
            for (SocketChannel channel : channels) {
                channel.close();
            }
        }
    }

    /// The first requests of one that sends many are answered, then it is the other's turn.
    @Test
    @Timeout(60)
    void requestOfAnotherComesBetweenThoseThatOneHasSentAhead() throws Exception {
        int ahead = 1000;
        ByteArrayOutputStream requests = new ByteArrayOutputStream();
        for (int i = 0; i < ahead; i++) {
            requests.writeBytes(RingEnd.message(MessageType.WRITE, i, 0, "/n\0%04d".formatted(i)));
        }
        rig.server.client().write("/n", "0000");
        try (SocketChannel busy = connect();
                SocketChannel other = connect()) {
            roundTrip(busy);
            roundTrip(other);
            rig.server.access().enter();
            try {
                busy.write(ByteBuffer.wrap(requests.toByteArray()));
                other.write(ByteBuffer.wrap(RingEnd.message(MessageType.READ, 1, 0, "/n\0")));
            } finally {
                rig.server.access().leave();
            }
            byte[] reply = read(other, MessageHeader.SIZE + 4);
            String seen = new String(reply, MessageHeader.SIZE, 4, StandardCharsets.US_ASCII);
            assertTrue(Integer.parseInt(seen) < ahead / 2, seen);
            read(busy, ahead * (MessageHeader.SIZE + 3));
        }
    }

    @Test
    void requestsOfAWatcherThatDoesNotReadStayInItsSocket() throws Exception {
        try (SocketChannel lazy = connect();
                SocketChannel other = connect()) {
            lazy.write(ByteBuffer.wrap(RingEnd.message(MessageType.WATCH, 1, 0, "/a\0t\0")));
            read(lazy, MessageHeader.SIZE + 3);
            XenStoreClient client = rig.server.client();
            for (int i = 0; i < 1000; i++) {
                client.write("/a/" + "n".repeat(2000) + i, "");
                roundTrip(other); // so that the socket is full, and then the queue over its mark
            }
            lazy.configureBlocking(false);
            ByteBuffer request = ByteBuffer.wrap(RingEnd.message(MessageType.READ, 2, 0, "/\0"));
            long accepted = 0;
            int rounds = 0;
            for (long before = -1; accepted > before && rounds < 1000; rounds++) {
                before = accepted;
                for (int taken = -1; taken != 0; accepted += taken) {
                    taken = lazy.write(request.hasRemaining() ? request : request.rewind());
                }
                roundTrip(other);
                roundTrip(other);
            }
            assertTrue(rounds < 1000, "still reading after " + accepted + " bytes");
        }
    }

    @Test
    void socketGoesAwayOnClose() {
        socket.close();
        assertFalse(Files.exists(socket.path()));
    }

    @Test
    @Timeout(60)
    void lackOfHeapDisconnectsTheClientsAndKeepsTheSocketServed() throws Exception {
        rig.server.client().write("/a", "");
        byte[] message = RingEnd.message(MessageType.SET_PERMS, 1, 0, "/a\0n7\0");
        try (SocketChannel unlucky = connect();
                SocketChannel other = connect()) {
            roundTrip(other);
            rig.outOfMemory = true;
            unlucky.write(ByteBuffer.wrap(message));
            assertEquals(0, read(unlucky, 1).length);
            assertEquals(0, read(other, 1).length);
        }
        rig.outOfMemory = false;
        try (SocketChannel later = connect()) {
            roundTrip(later);
        }
    }

    /// It has been given a socket that is closed already.
    @Test
    @Timeout(60)
    void threadThatEndsBeforeItIsStoppedReportsToItsOwner() throws Exception {
        Path path = directory.resolve("second");
        CompletableFuture<IOException> failure = new CompletableFuture<>();
        StreamListener listener = StreamListener.bindService(path);
        listener.close();
        rig.server.listen(listener, failure::complete);
        String message = String.valueOf(failure.get().getMessage());
        assertTrue(message.startsWith(path + ": cannot be served any more: "), message);
        assertFalse(Files.exists(path));
    }

    @Test
    void secondServerOnTheSamePathIsRefused() {
        try (Rig other = new Rig()) {
            IOException refused =
                    assertThrows(IOException.class, () -> other.server.listen(socket.path()));
            assertEquals(
                    "cannot listen at " + socket.path() + ": it is in use", refused.getMessage());
        }
        assertTrue(Files.exists(socket.path()));
    }

    @Test
    void fileThatIsNoSocketIsNotReplaced() throws Exception {
        Path file = Files.writeString(directory.resolve("file"), "precious");
        try (Rig other = new Rig()) {
            assertThrows(IOException.class, () -> other.server.listen(file));
        }
        assertEquals("precious", Files.readString(file));
    }

    /// Needs root, setpriv and perl, to be another user.
    @Test
    @Timeout(60)
    void anotherUserIsDisconnectedWithAnyModeOfTheFile() throws Exception {
        String setpriv = Tool.need("setpriv", "util-linux");
        String perl = Tool.need("perl", "perl-base");
        assumeTrue(Files.getOwner(directory).getName().equals("root"), "needs root");
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
        Files.setPosixFilePermissions(socket.path(), PosixFilePermissions.fromString("rw-rw-rw-"));
        String read =
                "$SIG{PIPE} = 'IGNORE'; socket(S, PF_UNIX, SOCK_STREAM, 0) or die; connect(S, sockaddr_un($ARGV[0])) or"
                        + " die $!; syswrite(S, pack('V4a*', 2, 1, 0, 2, \"/\\0\"));"
                        + " exit(sysread(S, $x, 1) ? 1 : 7)";
        for (String user : List.of("0", "54321")) {
            Process other =
                    new ProcessBuilder(
                                    setpriv,
                                    "--reuid=" + user,
                                    "--clear-groups",
                                    perl,
                                    "-MSocket",
                                    "-e",
                                    read,
                                    socket.path().toString())
                            .inheritIO()
                            .start();
            assertEquals(user.equals("0") ? 1 : 7, other.waitFor(), "user " + user);
        }
        try (SocketChannel channel = connect()) {
            roundTrip(channel);
            assertEquals(1.0, connections());
        }
    }
}
