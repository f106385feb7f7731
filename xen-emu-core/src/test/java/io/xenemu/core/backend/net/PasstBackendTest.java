package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.ServedGuest;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.toolstack.DetachMode;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.PasstSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.kvm.testing.Tool;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A network interface without a tap: through passt, or a program that speaks as it does.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class PasstBackendTest {
    private static final byte[] MAC = {0, 0x16, 0x3e, 1, 2, 3};

    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final SimpleMeterRegistry registryOfNext = new SimpleMeterRegistry();
    private final ServedGuest guest = new ServedGuest(new NetKind(registry));
    private final NetFront front = new NetFront(guest);

    /// Whether the guest is at another service, and this one is closed.
    private boolean hasLeft;

    @TempDir private Path folder = Path.of("");

    PasstBackendTest() throws Exception {}

    @AfterEach
    void close() {
        if (!hasLeft) {
            guest.close();
        }
        assertEquals(List.of(), children(), "passt goes with the device");
    }

    private static List<ProcessHandle> children() {
        return ProcessHandle.current()
                .children()
                .filter(child -> child.info().command().orElse("").contains("passt"))
                .toList();
    }

    private static NicSpec nic(String... words) throws Refused {
        List<String> all = new ArrayList<>(List.of("backendtype=passt"));
        all.addAll(List.of(words));
        return NicSpec.parse(all, new Random(1));
    }

    /// Sends a frame, and waits for the answer.
    ///
    /// @return its status
    private short send(byte[] frame) throws XenError {
        front.send(frame, 0);
        return front.answer();
    }

    /// A question for an address of a test network, which passt answers as a router would.
    private static byte[] question() {
        ByteBuffer frame = ByteBuffer.allocate(42);
        frame.putLong(-1).position(6).put(MAC).putShort((short) 0x0806);
        frame.putShort((short) 1).putShort((short) 0x0800).put((byte) 6).put((byte) 4);
        frame.putShort((short) 1).put(MAC).putInt(0xc6336402);
        frame.position(38).putInt(0xc6336401);
        return frame.array();
    }

    private void assertAnswered() throws XenError {
        assertEquals(Netif.OKAY, send(question()));
        byte[] frame = front.receive(0x0806);
        assertEquals(2, ByteBuffer.wrap(frame).getShort(20), "an answer");
        assertEquals(0xc6336401, ByteBuffer.wrap(frame).getInt(28));
    }

    private String carrier(PvDevice device) {
        try {
            return guest.client.read(device.backendPath() + "/carrier");
        } catch (XenError e) {
            return e.symbol();
        }
    }

    @Test
    void passtAnswersTheGuestAndIsStartedAgainWhenItDies() throws Exception {
        Tool.need("passt", "passt");
        PvDevice device = guest.attach(nic());
        assertEquals(1, children().size());
        assertEquals("1", guest.client.read(device.backendPath() + "/feature-gso-tcpv4"));
        assertEquals("1", guest.client.read(device.backendPath() + "/multi-queue-max-queues"));
        front.connect(device);
        assertEquals("1", carrier(device));
        assertAnswered();

        children().getFirst().destroyForcibly();
        Eventually.holds("the guest learns of it", () -> carrier(device).equals("0"));
        assertEquals(Netif.DROPPED, send(question()));
        Eventually.holds("passt is there again", () -> carrier(device).equals("1"));
        assertAnswered();
        assertEquals(1, registry.get("xen.net.reconnections").functionCounter().count());
        assertEquals(XenbusState.CONNECTED, guest.state(device));

        guest.devices.detach(device, DetachMode.FORCED);
        assertEquals(List.of(), children());
        assertEquals(List.of(), registry.getMeters());
        assertFalse(hasThreads(), "threads of the device");
    }

    private static boolean hasThreads() {
        return Thread.getAllStackTraces().keySet().stream()
                .anyMatch(thread -> thread.getName().contains("vif-0-stream"));
    }

    /// Nobody is connected when it dies: its end tells, and not the stream.
    @Test
    void passtOfAnIdleInterfaceIsStartedAgain() throws Exception {
        Tool.need("passt", "passt");
        PvDevice device = guest.attach(nic());
        children().getFirst().destroyForcibly();
        Eventually.holds(
                "the second",
                () -> registry.get("xen.net.reconnections").functionCounter().count() == 1);
        front.connect(device);
        assertAnswered();
    }

    @Test
    void passtThatDoesNotStartRefusesTheDeviceWithItsLastWords() {
        Tool.need("passt", "passt");
        String reason =
                assertThrows(Refused.class, () -> guest.attach(nic("tcp-ports=70000"))).reason();
        assertTrue(reason.startsWith("passt cannot start: "), reason);
        assertTrue(reason.contains("70000"), reason);
    }

    @Test
    void missingPasstIsToldWithItsPackage() throws Exception {
        PasstSpec spec = nic().passt().orElseThrow();
        Refused refused =
                assertThrows(
                        Refused.class, () -> Passt.of(spec, 1500, "dom1-vif-0", folder.toString()));
        assertEquals(
                "backendtype=passt needs passt, which is not installed (Debian's package passt)",
                refused.reason());
    }

    @Test
    void programOfSomebodyElseIsConnectedToAgainWhenItComesBack() throws Exception {
        Path path = folder.resolve("socket");
        assertEquals(
                "cannot connect to " + path + ": no such socket",
                assertThrows(Refused.class, () -> guest.attach(nic("socket=" + path))).reason());
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path));
            PvDevice device = guest.attach(nic("socket=" + path));
            assertEquals("0", guest.client.read(device.backendPath() + "/feature-gso-tcpv4"));
            front.connect(device);
            for (int round = 0; round < 2; round++) {
                try (SocketChannel peer = server.accept()) {
                    Eventually.holds("the link is up", () -> carrier(device).equals("1"));
                    byte[] frame = Frames.plain(1000);
                    assertEquals(Netif.OKAY, send(frame));
                    assertArrayEquals(frame, read(peer));
                    peer.write(ByteBuffer.allocate(1004).putInt(1000).put(frame).flip());
                    assertArrayEquals(frame, front.receive());
                }
                Eventually.holds("the link is down", () -> carrier(device).equals("0"));
            }
        }
    }

    private void left() {
        guest.close();
        hasLeft = true;
    }

    /// Its passt lives by the connection, which the next version of the service has too.
    @Test
    void passtGoesToTheNextVersionOfTheService() throws Exception {
        Tool.need("passt", "passt");
        PvDevice device = guest.attach(nic());
        front.connect(device);
        assertAnswered();
        ProcessHandle passt = children().getFirst();
        try (ServedGuest next = guest.handedOver(ServedGuest.LIMIT, new NetKind(registryOfNext))) {
            left();
            NetFront there = new NetFront(next, front);
            next.backends.resume(TestDomain.ID);
            there.send(question(), 0);
            assertEquals(Netif.OKAY, there.answer());
            assertEquals(2, ByteBuffer.wrap(there.receive(0x0806)).getShort(20), "an answer");
            assertTrue(passt.isAlive());
            passt.destroyForcibly();
            Eventually.holds(
                    "it is started again",
                    () ->
                            registryOfNext.get("xen.net.reconnections").functionCounter().count()
                                    == 1);
            there.send(question(), 0);
            assertEquals(Netif.OKAY, there.answer());
        }
    }

    /// Frames that are on their way in either direction are neither lost nor doubled.
    @Test
    void streamGoesToTheNextVersionOfTheService() throws Exception {
        Path path = folder.resolve("socket");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path));
            PvDevice device = guest.attach(nic("socket=" + path));
            front.connect(device);
            try (SocketChannel peer = server.accept()) {
                Eventually.holds("the link is up", () -> carrier(device).equals("1"));
                byte[] frame = Frames.plain(1000);
                ByteBuffer sent = ByteBuffer.allocate(1004).putInt(1000).put(frame).flip();
                // A part of it is taken before, and the rest comes afterwards.
                peer.write(sent.slice(0, 300));
                assertEquals(Netif.OKAY, send(frame));
                guest.settle();
                try (ServedGuest next =
                        guest.handedOver(ServedGuest.LIMIT, new NetKind(registryOfNext))) {
                    left();
                    NetFront there = new NetFront(next, front);
                    next.backends.resume(TestDomain.ID);
                    assertArrayEquals(frame, read(peer));
                    peer.write(sent.slice(300, 704));
                    assertArrayEquals(frame, there.receive());
                    there.send(frame, 0);
                    assertEquals(Netif.OKAY, there.answer());
                    // The service has announced the guest's address first.
                    ByteBuffer announced = ByteBuffer.allocate(64);
                    while (announced.hasRemaining()) {
                        assertTrue(peer.read(announced) > 0);
                    }
                    assertEquals(60, announced.getInt(0));
                    assertArrayEquals(frame, read(peer));
                }
            }
        }
    }

    private static byte[] read(SocketChannel peer) throws IOException {
        ByteBuffer frame = ByteBuffer.allocate(1004);
        while (frame.hasRemaining()) {
            assertTrue(peer.read(frame) > 0);
        }
        assertEquals(1000, frame.getInt(0));
        return Arrays.copyOfRange(frame.array(), 4, 1004);
    }

    /// The frames of a guest whose peer takes none stay in its ring, and the device ends all the same.
    @Test
    void peerThatTakesNothingHarmsNobodyElse() throws Exception {
        Path path = folder.resolve("socket");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path));
            PvDevice device = guest.attach(nic("socket=" + path));
            front.connect(device);
            byte[] frame = Frames.plain(4000);
            MemorySegment.copy(frame, 0, front.page(NetFront.SENT), JAVA_BYTE, 0, frame.length);
            int gref = guest.grant(NetFront.FIRST_REF + NetFront.POSTED, NetFront.SENT).value();
            int answered = 0;
            for (int sent = 0; answered == sent || sent < 100; sent += 100) {
                for (int i = 0; i < 100; i++) {
                    MemorySegment slot = front.tx.nextSlot();
                    slot.fill((byte) 0);
                    slot.set(JAVA_INT_UNALIGNED, 0, gref);
                    slot.set(JAVA_SHORT_UNALIGNED, 10, (short) frame.length);
                    front.tx.send();
                }
                guest.send(front.port);
                answered += answersWithin(100);
            }
            assertTrue(answered < 1000, () -> "frames taken for nobody");
            guest.devices.detach(device, DetachMode.FORCED);
        }
    }

    /// Counts answers, until there are so many, or none for a second.
    private int answersWithin(int most) throws InterruptedException {
        int count = 0;
        for (long last = System.nanoTime();
                count < most && System.nanoTime() - last < 1_000_000_000; ) {
            if (front.tx.hasAnswer()) {
                front.tx.nextAnswer();
                count++;
                last = System.nanoTime();
            } else {
                Thread.sleep(1);
            }
        }
        return count;
    }

    @Test
    void nothingIsLeftOfItsFolder() throws Exception {
        Tool.need("passt", "passt");
        PvDevice device = guest.attach(nic("mtu=9000", "map-gw=1", "udp-ports=39053"));
        String[] words = children().getFirst().info().arguments().orElseThrow();
        Path socket = Path.of(words[Arrays.asList(words).indexOf("--socket") + 1]);
        assertTrue(Files.exists(socket));
        guest.devices.detach(device, DetachMode.FORCED);
        assertFalse(Files.exists(socket.getParent()), socket.toString());
    }
}
