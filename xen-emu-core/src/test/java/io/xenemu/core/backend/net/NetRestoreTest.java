package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.ServedGuest;
import io.xenemu.core.backend.ring.FrontRing;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.toolstack.MacAddress;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A guest with a network interface is saved, and restored in a domain of another service: its front end, which knows
/// nothing of that, goes on in the same rings. The network is a program of the test.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class NetRestoreTest {
    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final MacAddress ADDRESS = new MacAddress(0x0016_3e01_0203L);
    private static final byte[] GROUP = {1, 0, 0x5e, 0, 0, 9};

    @TempDir private Path folder;
    private final ServedGuest old = new ServedGuest(LIMIT, kind());
    private final NetFront before = new NetFront(old);
    private ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);

    NetRestoreTest() throws Exception {}

    @BeforeEach
    void listen() throws Exception {
        server.bind(UnixDomainSocketAddress.of(folder.resolve("socket")));
    }

    @AfterEach
    void close() throws Exception {
        old.close();
        server.close();
    }

    private static NetKind kind() {
        return new NetKind(new SimpleMeterRegistry());
    }

    private PvDevice attach() throws Exception {
        return old.attach(
                NicSpec.parse(
                        List.of(
                                "backendtype=passt,mac="
                                        + ADDRESS
                                        + ",socket="
                                        + folder.resolve("socket")),
                        new Random(1)));
    }

    /// Saves and ends the guest while its link is up, so that it does not connect again.
    private ServedGuest.Saved saved() throws Exception {
        try (SocketChannel _ = server.accept()) {
            return old.savedAndEnded();
        }
    }

    private static byte[] read(SocketChannel peer) throws IOException {
        ByteBuffer length = ByteBuffer.allocate(4);
        fill(peer, length);
        ByteBuffer frame = ByteBuffer.allocate(length.getInt(0));
        fill(peer, frame);
        return frame.array();
    }

    private static void fill(SocketChannel peer, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            assertTrue(peer.read(bytes) > 0);
        }
    }

    private static void write(SocketChannel peer, byte[] frame) throws IOException {
        peer.write(ByteBuffer.allocate(4 + frame.length).putInt(frame.length).put(frame).flip());
    }

    /// The next frame that is not an announcement.
    private static byte[] readOwn(SocketChannel peer) throws IOException {
        byte[] frame = read(peer);
        while (ByteBuffer.wrap(frame).getShort(12) == (short) 0x8035) {
            frame = read(peer);
        }
        return frame;
    }

    @Test
    void anInterfaceGoesOnInTheSameRingsAndAnnouncesItsGuest() throws Exception {
        PvDevice device = attach();
        before.connect(device);
        ServedGuest.Saved saved;
        try (SocketChannel peer = server.accept()) {
            byte[] frame = Frames.plain(1000);
            before.send(frame, 0);
            assertArrayEquals(frame, read(peer));
            assertEquals(Netif.OKAY, before.answer());
            write(peer, frame);
            assertArrayEquals(frame, before.receive());
            saved = old.savedAndEnded();
        }
        try (ServedGuest next = saved.restored(LIMIT, kind());
                SocketChannel peer = server.accept()) {
            NetFront front = new NetFront(next, before);
            // Sent before the guest goes on: nothing is served, and nothing is lost.
            byte[] first = Frames.plain(500);
            front.put(first, 0);
            next.backends.resume(TestDomain.ID);
            int announced = 0;
            boolean isFirstThere = false;
            while (announced < 5 || !isFirstThere) {
                byte[] frame = read(peer);
                if (frame.length == first.length) {
                    assertArrayEquals(first, frame);
                    isFirstThere = true;
                } else {
                    assertArrayEquals(Announcement.frame(ADDRESS), frame);
                    announced++;
                }
            }
            assertEquals(Netif.OKAY, front.answer());
            for (int i = 0; i < 2 * NetFront.POSTED; i++) {
                byte[] frame = Frames.plain(100 + i);
                front.send(frame, 0);
                assertArrayEquals(frame, read(peer));
                assertEquals(Netif.OKAY, front.answer());
            }
            for (int i = 1; i < NetFront.POSTED; i++) {
                byte[] frame = Frames.plain(100 + i);
                write(peer, frame);
                assertArrayEquals(frame, front.receive());
            }
            assertFalse(front.rx.hasAnswer());
            assertEquals(XenbusState.CONNECTED, next.state(device));
            front.disconnect(device);
            assertEquals(0, next.servicePorts());
            next.become(device, XenbusState.INITIALISING);
            next.await(device, XenbusState.INIT_WAIT);
            front.connect(device);
            front.send(first, 0);
            assertArrayEquals(first, read(peer));
        }
    }

    @Test
    void theMulticastFilterStays() throws Exception {
        PvDevice device = attach();
        old.write(device, "request-multicast-control", 1);
        before.connect(device);
        before.admit(GROUP);
        assertEquals(Netif.OKAY, before.answer());
        assertEquals(Netif.NULL, before.tx.nextAnswer().get(JAVA_BYTE, 2));
        try (ServedGuest next = saved().restored(LIMIT, kind());
                SocketChannel peer = server.accept()) {
            NetFront front = new NetFront(next, before);
            next.backends.resume(TestDomain.ID);
            byte[] other = Frames.plain(100);
            System.arraycopy(new byte[] {1, 0, 0x5e, 0, 0, 8}, 0, other, 0, 6);
            byte[] group = Frames.plain(101);
            System.arraycopy(GROUP, 0, group, 0, 6);
            write(peer, other);
            write(peer, group);
            assertArrayEquals(group, front.receive());
        }
    }

    @Test
    void aBrokenRingStaysBrokenAndTheOtherDirectionGoesOn() throws Exception {
        PvDevice device = attach();
        before.connect(device);
        before.rx.setIndex(FrontRing.REQ_PROD, 9999);
        old.send(before.port);
        Eventually.holds("the error node", () -> old.client.exists(device.errorPath()));
        try (ServedGuest next = saved().restored(LIMIT, kind());
                SocketChannel peer = server.accept()) {
            NetFront front = new NetFront(next, before);
            front.rx.setIndex(FrontRing.REQ_PROD, NetFront.POSTED);
            next.backends.resume(TestDomain.ID);
            write(peer, Frames.plain(100));
            byte[] frame = Frames.plain(200);
            front.send(frame, 0);
            assertArrayEquals(frame, readOwn(peer));
            assertFalse(front.rx.hasAnswer());
        }
    }

    @Test
    void aHandshakeGoesOn() throws Exception {
        PvDevice device = attach();
        before.publish(device, "");
        old.write(device, "request-rx-copy", 1);
        try (ServedGuest next = saved().restored(LIMIT, kind());
                SocketChannel peer = server.accept()) {
            NetFront front = new NetFront(next, before);
            next.backends.resume(TestDomain.ID);
            next.become(device, XenbusState.CONNECTED);
            next.await(device, XenbusState.CONNECTED);
            byte[] frame = Frames.plain(200);
            front.send(frame, 0);
            assertArrayEquals(frame, read(peer));
        }
    }

    @Test
    void anInterfaceWhoseProgramIsMissingThereIsOneLine() throws Exception {
        before.connect(attach());
        ServedGuest.Saved saved = saved();
        server.close();
        Files.delete(folder.resolve("socket"));
        Refused refused = assertThrows(Refused.class, () -> saved.restored(LIMIT, kind()));
        assertTrue(refused.reason().contains(folder.toString()), refused.reason());
        assertEquals(1, refused.reason().lines().count());
    }
}
