package io.xenemu.kvm.socket;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.file.IoVectors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class StreamSocketTest {
    private static final Duration LIMIT = Duration.ofSeconds(20);

    @TempDir Path folder;
    private final Arena arena = Arena.ofShared();
    private final IoVectors vectors = new IoVectors(arena, 4);

    @AfterEach
    void close() {
        arena.close();
    }

    private MemorySegment memory(String text) {
        return arena.allocateFrom(text).asSlice(0, text.length());
    }

    private void roundTrip(StreamSocket socket, SocketChannel peer) throws IOException {
        MemorySegment first = memory("hel");
        MemorySegment second = memory("lo");
        vectors.clear();
        vectors.add(first.address(), 3);
        vectors.add(second.address(), 2);
        assertTrue(socket.sendAtOnce(vectors));
        assertEquals(0, vectors.bytes());
        ByteBuffer got = ByteBuffer.allocate(5);
        while (got.hasRemaining()) {
            peer.read(got);
        }
        assertEquals("hello", new String(got.array(), UTF_8));
        peer.write(ByteBuffer.wrap("world".getBytes(UTF_8)));
        vectors.clear();
        vectors.add(first.address(), 3);
        vectors.add(second.address(), 2);
        while (vectors.bytes() > 0) {
            assertTrue(socket.receive(vectors) > 0);
        }
        assertEquals('l', second.get(ValueLayout.JAVA_BYTE, 0));
        peer.close();
        vectors.clear();
        vectors.add(first.address(), 3);
        assertEquals(0, socket.receive(vectors), "the end");
    }

    @Test
    void bytesGoBothWaysThroughUnixSocket() throws Exception {
        Path path = folder.resolve("s");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path));
            try (StreamSocket socket = StreamSocket.connect(path, LIMIT)) {
                roundTrip(socket, server.accept());
            }
        }
    }

    @Test
    void bytesGoBothWaysThroughTcp() throws Exception {
        for (String host : new String[] {"127.0.0.1", "::1"}) {
            try (ServerSocketChannel server = ServerSocketChannel.open()) {
                server.bind(new InetSocketAddress(InetAddress.getByName(host), 0));
                InetSocketAddress address = (InetSocketAddress) server.getLocalAddress();
                try (StreamSocket socket = StreamSocket.connect(address, LIMIT, LIMIT)) {
                    roundTrip(socket, server.accept());
                }
            } catch (java.net.BindException e) {
                assertEquals("::1", host, "a machine may be without IPv6: " + e);
            }
        }
    }

    @Test
    void peerThatTakesNothingStopsSendingAtOnce() throws Exception {
        Path path = folder.resolve("s");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path));
            try (StreamSocket socket = StreamSocket.connect(path, Duration.ZERO)) {
                MemorySegment much = arena.allocate(8 << 20);
                vectors.add(much.address(), much.byteSize());
                assertFalse(socket.sendAtOnce(vectors));
                assertTrue(vectors.bytes() > 0);
                Thread other = Thread.ofPlatform().start(socket::shutdown);
                assertThrows(IOException.class, () -> socket.send(vectors));
                other.join();
            }
        }
    }

    @Test
    void shutdownEndsReceive() throws Exception {
        Path path = folder.resolve("s");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path));
            StreamSocket socket = StreamSocket.connect(path, Duration.ZERO);
            vectors.add(arena.allocate(8).address(), 8);
            Thread other = Thread.ofPlatform().start(socket::shutdown);
            assertEquals(0, socket.receive(vectors));
            other.join();
            socket.close();
            socket.shutdown();
        }
    }

    @Test
    void limitEndsWait() throws Exception {
        Path path = folder.resolve("s");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path));
            try (StreamSocket socket = StreamSocket.connect(path, Duration.ofMillis(10))) {
                vectors.add(arena.allocate(8).address(), 8);
                var e = assertThrows(IOException.class, () -> socket.receive(vectors));
                assertEquals("cannot receive from " + path + ": no answer in time", e.getMessage());
            }
        }
    }

    @Test
    void reasonIsTold() {
        Path path = folder.resolve("none");
        var e = assertThrows(IOException.class, () -> StreamSocket.connect(path, LIMIT));
        assertEquals("cannot connect to " + path + ": no such socket", e.getMessage());
        Path tooLong = folder.resolve("x".repeat(120));
        assertThrows(IOException.class, () -> StreamSocket.connect(tooLong, LIMIT));
        var unresolved = InetSocketAddress.createUnresolved("nowhere.invalid", 1);
        assertThrows(IOException.class, () -> StreamSocket.connect(unresolved, LIMIT, LIMIT));
    }
}
