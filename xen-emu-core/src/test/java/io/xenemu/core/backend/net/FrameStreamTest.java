package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.socket.StreamSocket;
import io.xenemu.kvm.thread.Epoll;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class FrameStreamTest {
    private static final Duration LIMIT = Duration.ofSeconds(20);
    private static final int MANY = 2000;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory = arena.allocate(1 << 17, Long.BYTES);
    private final IoVectors vectors = new IoVectors(arena, 4);
    private final VnetHeader header = new VnetHeader(arena);
    private final FrameStream stream = new FrameStream();
    private final Epoll events = new Epoll(1);

    @TempDir private Path folder = Path.of("");
    private SocketChannel peer = SocketChannel.open(StandardProtocolFamily.UNIX);

    FrameStreamTest() throws IOException {}

    @BeforeEach
    void connect() throws IOException {
        events.add(stream.fd(), 0);
        attach("first");
    }

    private void attach(String name) throws IOException {
        Path path = folder.resolve(name);
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path));
            stream.attach(StreamSocket.connect(path, LIMIT));
            peer.close();
            peer = server.accept();
        }
    }

    @AfterEach
    void close() throws IOException {
        events.close();
        stream.close();
        stream.close();
        peer.close();
        arena.close();
    }

    private long send(byte[] frame) {
        MemorySegment.copy(frame, 0, memory, JAVA_BYTE, 0, frame.length);
        vectors.clear();
        vectors.add(header.memory().address(), VnetHeader.BYTES);
        // In two parts.
        vectors.add(memory.address(), frame.length / 2);
        vectors.add(memory.address() + frame.length / 2, frame.length - frame.length / 2);
        return stream.send(vectors);
    }

    private byte[] sent() throws IOException {
        ByteBuffer length = ByteBuffer.allocate(4);
        readAll(length);
        ByteBuffer frame = ByteBuffer.allocate(length.getInt(0));
        readAll(frame);
        return frame.array();
    }

    private void readAll(ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            assertTrue(peer.read(buffer) > 0);
        }
    }

    /// @return the frame, or null if there is none
    private byte[] receive() {
        header.memory().fill((byte) 0x55);
        vectors.clear();
        vectors.add(header.memory().address(), VnetHeader.BYTES);
        vectors.add(memory.address(), memory.byteSize());
        long result = stream.receive(vectors);
        if (result == -Errno.EAGAIN) {
            return new byte[0];
        }
        assertEquals(0, header.flags());
        assertEquals(VnetHeader.GSO_NONE, header.gsoType());
        return memory.asSlice(0, result - VnetHeader.BYTES).toArray(JAVA_BYTE);
    }

    private static ByteBuffer wire(byte[]... frames) {
        ByteBuffer all = ByteBuffer.allocate(1 << 20);
        for (byte[] frame : frames) {
            all.putInt(frame.length).put(frame);
        }
        return all.flip();
    }

    private void write(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            peer.write(bytes);
        }
    }

    @Test
    void framesOfTheGuestGoTogether() throws IOException {
        for (int i = 14; i < 40; i++) {
            assertEquals(VnetHeader.BYTES + i, send(Frames.plain(i)));
        }
        assertTrue(stream.flush());
        assertFalse(stream.flush(), "nothing is left");
        for (int i = 14; i < 40; i++) {
            assertArrayEquals(Frames.plain(i), sent());
        }
    }

    @Test
    void framesToTheGuestComeInAnyPieces() throws IOException {
        ByteBuffer all = wire(Frames.plain(60), Frames.plain(65535), Frames.plain(1514));
        int end = all.limit();
        Random random = new Random(1);
        int received = 0;
        int[] sizes = {60, 65535, 1514};
        assertEquals(0, events.await(0));
        while (all.position() < end) {
            all.limit(Math.min(end, all.position() + 1 + random.nextInt(9000)));
            write(all);
            assertTrue(events.await(0) > 0, "the descriptor has told it");
            for (byte[] frame = receive(); frame.length > 0; frame = receive()) {
                assertArrayEquals(Frames.plain(sizes[received++]), frame);
            }
        }
        assertEquals(3, received);
    }

    @Test
    void manyFramesComeInOrder() throws Exception {
        Thread writer =
                Thread.ofPlatform()
                        .start(() -> {
                            try {
                                for (int i = 0; i < MANY; i++) {
                                    write(wire(Frames.plain(100 + i)));
                                }
                            } catch (IOException e) {
                                throw new IllegalStateException(e);
                            }
                        });
        for (int i = 0; i < MANY; ) {
            byte[] frame = receive();
            if (frame.length == 0) {
                events.await(-1);
            } else {
                assertArrayEquals(Frames.plain(100 + i++), frame);
            }
        }
        writer.join();
    }

    /// Its frames stay in the guest's ring then; what is held here has a limit.
    @Test
    void peerThatTakesNothingHoldsTheGuestUpUntilItTakesAgain() throws IOException {
        byte[] frame = Frames.plain(65535);
        int count = 0;
        while (stream.canSend()) {
            assertTrue(send(frame) > 0);
            count++;
            assertTrue(count < 100);
        }
        while (events.await(0) > 0) {
            // What was told so far.
        }
        assertFalse(stream.canSend());
        ByteBuffer got = ByteBuffer.allocate((count + 1) * (4 + frame.length));
        peer.configureBlocking(false);
        while (peer.read(got) > 0) {
            // All that the kernel has.
        }
        assertTrue(events.await(20_000) > 0, "told that the peer takes more");
        assertTrue(stream.canSend());
        assertTrue(send(frame) > 0);
        while (got.hasRemaining()) {
            boolean _ = stream.flush();
            assertTrue(peer.read(got) != 0);
        }
        got.flip();
        while (got.hasRemaining()) {
            assertEquals(frame.length, got.getInt());
            byte[] next = new byte[frame.length];
            got.get(next);
            assertArrayEquals(frame, next);
        }
    }

    @Test
    void withoutAPeerFramesAreDropped() throws Exception {
        peer.close();
        assertEquals(0, receive().length);
        assertEquals("it has closed the connection", stream.awaitEnd());
        assertFalse(stream.isAttached());
        assertTrue(stream.canSend());
        assertEquals(-Errno.EAGAIN, send(Frames.plain(60)));
        assertEquals(0, receive().length);
        attach("second");
        assertTrue(send(Frames.plain(61)) > 0);
        assertTrue(stream.flush());
        assertArrayEquals(Frames.plain(61), sent(), "nothing of before");
    }

    @Test
    void guestThatWaitedForRoomGoesOnWhenThePeerEnds() throws IOException {
        while (stream.canSend()) {
            send(Frames.plain(65535));
        }
        while (events.await(0) > 0) {
            // What was told so far.
        }
        peer.close();
        assertTrue(events.await(20_000) > 0);
        assertTrue(stream.canSend());
    }

    @Test
    void lengthThatCannotBeEndsTheConnection() throws Exception {
        write(ByteBuffer.allocate(4).putInt(0, -1));
        assertEquals(0, receive().length);
        assertEquals("it sends a frame of 4294967295 bytes", stream.awaitEnd());
    }

    private static int sum(byte[] bytes, int from, int to, long start) {
        long sum = start;
        for (int i = from; i < to; i += 2) {
            int low = i + 1 < to ? Byte.toUnsignedInt(bytes[i + 1]) : 0;
            sum += Byte.toUnsignedInt(bytes[i]) << 8 | low;
        }
        while (sum > 0xffff) {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        return (int) sum;
    }

    /// The sum of a TCP segment or UDP datagram with its pseudo header.
    private static int transport(byte[] frame, int addresses, int at, int protocol) {
        return sum(
                frame,
                at,
                frame.length,
                sum(frame, addresses, at, protocol + (long) (frame.length - at)));
    }

    @Test
    void checksumThatTheGuestLeavesOutIsComputed() throws IOException {
        byte[] frame = Frames.ipv4(17, 501, 0, 0);
        ByteBuffer.wrap(frame)
                .putShort(34 + 6, (short) sum(frame, 26, 34, 17 + (long) (frame.length - 34)));
        header.clear();
        header.checksum(34, 6);
        assertTrue(send(frame) > 0);
        assertTrue(stream.flush());
        assertEquals(0xffff, transport(sent(), 26, 34, 17));
    }

    /// A guest need not fill in lengths and checksums of what others are to split.
    @Test
    void segmentsBecomeOneWholePacket() throws IOException {
        byte[] four = Frames.ipv4(6, 30_001, 0, 0);
        ByteBuffer.wrap(four).putShort(14 + 2, (short) 0);
        header.clear();
        header.checksum(34, 16);
        header.segments(VnetHeader.GSO_TCPV4, 1460, 54);
        assertTrue(send(four) > 0);
        byte[] six = Frames.ipv6(6, 30_001);
        header.clear();
        header.checksum(54, 16);
        header.segments(VnetHeader.GSO_TCPV6, 1440, 74);
        assertTrue(send(six) > 0);
        assertTrue(stream.flush());
        byte[] first = sent();
        assertEquals(0xffff, transport(first, 26, 34, 6));
        assertEquals(0xffff, sum(first, 14, 34, 0));
        assertEquals(first.length - 14, ByteBuffer.wrap(first).getShort(16));
        byte[] second = sent();
        assertEquals(0xffff, transport(second, 22, 54, 6));
        assertEquals(second.length - 54, ByteBuffer.wrap(second).getShort(18));
    }
}
