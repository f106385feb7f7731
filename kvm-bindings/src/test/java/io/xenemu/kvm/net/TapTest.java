package io.xenemu.kvm.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.testing.LeastAllocation;
import io.xenemu.kvm.testing.Tool;
import io.xenemu.kvm.thread.Epoll;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A tap with the kernel's own network stack at its other side. Needs the right to make interfaces.
class TapTest {
    private static final String NAME = "xet" + ProcessHandle.current().pid() % 1_000_000;
    private static final NetInterface INTERFACE = new NetInterface(NAME);
    private static final byte[] MAC = {2, 0, 0, 0, 0, 1};
    private static final byte[] PEER_MAC = {2, 0, 0, 0, 0, 2};
    private static final String ADDRESS = "10.231.77.1";
    private static final String PEER = "10.231.77.2";

    private static final int FRAMES = 2000;

    private static final int LIMIT_MILLIS = 10_000;
    private static final int ETHERNET = 14;
    private static final int IPV4 = 20;
    private static final int UDP = 8;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment header = arena.allocate(Tap.HEADER_BYTES);
    private final MemorySegment frame = arena.allocate(2048);
    private final IoVectors vectors = new IoVectors(arena, 4);

    @BeforeEach
    void needsRights() {
        assumeTrue(Files.isWritable(Path.of("/dev/net/tun")), "needs /dev/net/tun");
        try {
            Tap.open(NAME, true).close();
        } catch (KvmException e) {
            assumeTrue(e.errno() != Errno.EPERM, "needs CAP_NET_ADMIN to make a tap");
        }
    }

    @AfterEach
    void free() {
        arena.close();
    }

    private static void ip(String... words) throws Exception {
        String[] command = new String[words.length + 1];
        command[0] = Tool.need("ip", "iproute2");
        System.arraycopy(words, 0, command, 1, words.length);
        Tool.run(command);
    }

    private static String sys(String file) throws Exception {
        return Files.readString(Path.of("/sys/class/net/" + NAME + "/" + file)).strip();
    }

    @Test
    void aQueueThatWasSentIsOfTheSameTap(@TempDir Path folder) throws Exception {
        Path path = folder.resolve("s");
        try (MessageSocket.Listener listener =
                        MessageSocket.Listener.bind(path, Duration.ofSeconds(10));
                MessageSocket sender = MessageSocket.connect(path);
                MessageSocket receiver = Objects.requireNonNull(listener.accept())) {
            Tap first = Tap.open(NAME, true);
            sender.send(new byte[1], first.fd());
            sender.send(new byte[1], first.fd());
            int fd = Objects.requireNonNull(receiver.receive()).descriptors().get(0);
            try (Tap received = Tap.received(fd, NAME)) {
                assertTrue(received.isOneOfSeveral());
                first.close();
                assertTrue(INTERFACE.exists());
                received.carrier(false);
            }
            int other = Objects.requireNonNull(receiver.receive()).descriptors().get(0);
            assertThrows(KvmException.class, () -> Tap.received(other, NAME + "x").close());
        }
        assertFalse(INTERFACE.exists());
    }

    @Test
    void anInterfaceLivesAsLongAsAQueueOfIt() {
        Tap first = Tap.open(NAME, true);
        try (Tap _ = Tap.open(NAME, true)) {
            first.close();
            assertTrue(INTERFACE.exists());
            assertFalse(INTERFACE.isUp());
            INTERFACE.up();
            assertTrue(INTERFACE.isUp());
        }
        assertFalse(INTERFACE.exists());
    }

    @Test
    void onlyATapThatIsNewIsMade() throws Exception {
        try (Tap made = Tap.make(NAME)) {
            assertTrue(made.isOneOfSeveral());
            assertFalse(made.isPersistent());
            assertEquals(
                    Errno.EBUSY, assertThrows(KvmException.class, () -> Tap.make(NAME)).errno());
        }
        ip("tuntap", "add", "dev", NAME, "mode", "tap", "multi_queue", "vnet_hdr");
        try (Tap found = Tap.open(NAME, true)) {
            assertTrue(found.isPersistent());
        } finally {
            ip("link", "del", NAME);
        }
    }

    @Test
    void aTapOfOneQueueIsBusyForOthers() {
        try (Tap _ = Tap.open(NAME, false)) {
            assertEquals(
                    Errno.EBUSY,
                    assertThrows(KvmException.class, () -> Tap.open(NAME, false)).errno());
            assertEquals(
                    Errno.EINVAL,
                    assertThrows(KvmException.class, () -> Tap.open(NAME, true)).errno());
        }
    }

    @Test
    void carrierMtuAndQueueLengthAreSet() throws Exception {
        try (Tap tap = Tap.open(NAME, true)) {
            INTERFACE.mtu(9000);
            assertEquals(9000, INTERFACE.mtu());
            INTERFACE.queueLength(77);
            assertEquals("77", sys("tx_queue_len"));
            INTERFACE.address(MAC);
            assertEquals("02:00:00:00:00:01", sys("address"));
            INTERFACE.up();
            tap.carrier(false);
            assertEquals("0", sys("carrier"));
            tap.carrier(true);
            assertEquals("1", sys("carrier"));
        }
    }

    @Test
    void aTapJoinsABridge() throws Exception {
        String bridge = "xeb" + NAME.substring(3);
        ip("link", "add", bridge, "type", "bridge");
        try (Tap _ = Tap.open(NAME, true)) {
            new NetInterface(bridge).join(INTERFACE);
            assertTrue(Files.exists(Path.of("/sys/class/net", bridge, "brif", NAME)));
            assertEquals(
                    95,
                    assertThrows(KvmException.class, () -> INTERFACE.join(new NetInterface(bridge)))
                            .errno(),
                    "EOPNOTSUPP");
        } finally {
            ip("link", "del", bridge);
        }
        assertEquals(
                Errno.ENODEV,
                assertThrows(KvmException.class, () -> new NetInterface(bridge).index()).errno());
    }

    @Test
    @Timeout(30)
    void framesGoBothWays() throws Exception {
        try (Tap tap = Tap.open(NAME, true)) {
            tap.offload(Set.of(TapOffload.CHECKSUM, TapOffload.TCP4));
            INTERFACE.address(MAC);
            ip("addr", "add", ADDRESS + "/24", "dev", NAME);
            INTERFACE.up();
            try (DatagramSocket socket = new DatagramSocket(new InetSocketAddress(ADDRESS, 0))) {
                socket.setSoTimeout(LIMIT_MILLIS);
                assertEquals(-Errno.EAGAIN, readUnlessOther(tap));
                byte[] payload = "from the tap".getBytes(UTF_8);
                // Its checksum is left to the kernel, in three pieces of memory.
                send(tap, udp(payload, socket.getLocalPort()));
                DatagramPacket packet = new DatagramPacket(new byte[100], 100);
                socket.receive(packet);
                assertArrayEquals(payload, Arrays.copyOf(packet.getData(), packet.getLength()));
                assertEquals(PEER, packet.getAddress().getHostAddress());

                socket.send(
                        new DatagramPacket(
                                payload, payload.length, InetAddress.getByName(PEER), 9));
                awaitArp(tap);
            }
        }
    }

    /// IPv6 may have sent something by itself.
    private long readUnlessOther(Tap tap) {
        vectors.clear();
        vectors.add(header.address(), header.byteSize());
        vectors.add(frame.address(), frame.byteSize());
        long result;
        do {
            result = tap.read(vectors);
        } while (result > 0 && type() != 0x0806);
        return result;
    }

    private int type() {
        return Byte.toUnsignedInt(frame.get(JAVA_BYTE, 12)) << 8
                | Byte.toUnsignedInt(frame.get(JAVA_BYTE, 13));
    }

    private void awaitArp(Tap tap) {
        long result;
        try (Epoll epoll = new Epoll(1)) {
            epoll.add(tap.fd(), 0);
            do {
                assertEquals(1, epoll.await(LIMIT_MILLIS), "frames");
                result = readUnlessOther(tap);
            } while (result < 0);
        }
        assertEquals(Tap.HEADER_BYTES + ETHERNET + 28, result);
        assertArrayEquals(MAC, frame.asSlice(6, 6).toArray(JAVA_BYTE));
    }

    private void send(Tap tap, byte[] bytes) {
        MemorySegment.copy(bytes, 0, frame, JAVA_BYTE, 0, bytes.length);
        header.fill((byte) 0);
        header.set(JAVA_BYTE, 0, (byte) 1);
        header.set(JAVA_BYTE, 6, (byte) (ETHERNET + IPV4));
        header.set(JAVA_BYTE, 8, (byte) 6);
        vectors.clear();
        vectors.add(header.address(), header.byteSize());
        vectors.add(frame.address(), 20);
        vectors.add(frame.address() + 20, bytes.length - 20);
        assertEquals(Tap.HEADER_BYTES + bytes.length, tap.write(vectors));
    }

    private static byte[] udp(byte[] payload, int port) throws Exception {
        int length = IPV4 + UDP + payload.length;
        ByteBuffer bytes = ByteBuffer.allocate(ETHERNET + length);
        bytes.put(MAC).put(PEER_MAC).putShort((short) 0x0800);
        bytes.putShort((short) 0x4500).putShort((short) length).putInt(0);
        bytes.putShort((short) 0x4011).putShort((short) 0);
        bytes.put(InetAddress.getByName(PEER).getAddress());
        bytes.put(InetAddress.getByName(ADDRESS).getAddress());
        int sum = 0;
        for (int at = ETHERNET; at < ETHERNET + IPV4; at += 2) {
            sum += Short.toUnsignedInt(bytes.getShort(at));
        }
        sum = (sum & 0xffff) + (sum >> 16);
        bytes.putShort(ETHERNET + 10, (short) ~((sum & 0xffff) + (sum >> 16)));
        bytes.putShort((short) 9999).putShort((short) port);
        bytes.putShort((short) (UDP + payload.length)).putShort((short) 0x4711);
        return bytes.put(payload).array();
    }

    @Test
    void readingAndWritingAllocateNothing() throws Exception {
        // The first compiler leaves some objects of each call into C.
        assumeFalse(
                ManagementFactory.getRuntimeMXBean()
                        .getInputArguments()
                        .contains("-XX:TieredStopAtLevel=1"),
                "needs the JVM's second compiler");
        try (Tap tap = Tap.open(NAME, true)) {
            INTERFACE.up();
            assertEquals(
                    0, LeastAllocation.of(() -> exchange(tap)), "bytes for " + FRAMES + " frames");
        }
    }

    private void exchange(Tap tap) {
        for (int i = 0; i < FRAMES; i++) {
            frame.set(JAVA_BYTE, 12, (byte) 0x88);
            header.set(JAVA_BYTE, 0, (byte) 0);
            vectors.clear();
            vectors.add(header.address(), header.byteSize());
            vectors.add(frame.address(), 60);
            tap.write(vectors);
            tap.read(vectors);
        }
    }

    @Test
    void namesAreThoseThatTheKernelTakes() {
        assertTrue(NetInterface.isName("vif3.0"));
        assertTrue(NetInterface.isName("a23456789012345"));
        for (String wrong :
                new String[] {"", ".", "..", "a/b", "a b", "a:b", "a234567890123456", "\u00e9"}) {
            assertFalse(NetInterface.isName(wrong), wrong);
        }
    }
}
