package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.ServedGuest;
import io.xenemu.core.backend.ring.FrontRing;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.toolstack.DetachMode;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.net.NetInterface;
import io.xenemu.kvm.net.Tap;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.kvm.testing.Tool;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A network interface of the service, from its attachment to its end, on a tap and a bridge of the machine that runs
/// the test. Needs the right to make them.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class NetBackendTest {
    private static final String SUFFIX = Long.toString(ProcessHandle.current().pid() % 1_000_000);
    private static final String TAP = "xnt" + SUFFIX;
    private static final String BRIDGE = "xnb" + SUFFIX;
    private static final String HOST = "10.231.78.1";
    private static final String GUEST = "10.231.78.2";
    private static final int LIMIT_MILLIS = 20_000;

    /// Guest frames that [NetFront] does not use.
    private static final long SECOND_RINGS = 0x210;

    private static final int CYCLES = 100;

    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final ServedGuest guest = new ServedGuest(new NetKind(registry));
    private final NetFront front = new NetFront(guest);

    @TempDir private Path folder = Path.of("");

    NetBackendTest() throws Exception {}

    @BeforeEach
    void bridge() throws Exception {
        assumeTrue(Files.isWritable(Path.of("/dev/net/tun")), "needs /dev/net/tun");
        assumeTrue(ip("link", "add", BRIDGE, "type", "bridge") == 0, "needs CAP_NET_ADMIN");
        assertEquals(0, ip("addr", "add", HOST + "/24", "dev", BRIDGE));
        assertEquals(0, ip("link", "set", BRIDGE, "up"));
    }

    @AfterEach
    void close() throws Exception {
        guest.close();
        ip("link", "del", BRIDGE);
        assertFalse(new NetInterface(TAP).exists(), "the tap goes with the device");
    }

    private static int ip(String... words) throws Exception {
        String[] command = new String[words.length + 1];
        command[0] = Tool.need("ip", "iproute2");
        System.arraycopy(words, 0, command, 1, words.length);
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getInputStream().readAllBytes();
        return process.waitFor();
    }

    private static NicSpec nic(String... words) throws Refused {
        List<String> all = new ArrayList<>(List.of("vifname=" + TAP, "bridge=" + BRIDGE));
        all.addAll(List.of(words));
        return NicSpec.parse(all, new Random(1));
    }

    private void connect(PvDevice device) throws XenError {
        front.connect(device, "gso-tcpv4", "ipv6-csum-offload");
    }

    private void assertTaken(String what) {
        assertEquals(Netif.OKAY, front.answer(), what);
    }

    /// The kernel checks the tap's header against the frame, and refuses one that does not fit.
    @Test
    void theKernelTakesTheHeadersOfAllKindsOfFrames() throws Exception {
        connect(guest.attach(nic()));
        front.send(Frames.ipv4(17, 500, 40, 2), Netif.TX_CSUM_BLANK);
        assertTaken("UDP behind options and tags");
        front.send(Frames.ipv6(17, 500, 0, 60), Netif.TX_CSUM_BLANK);
        assertTaken("UDP behind extension headers");
        front.sendSegments(Frames.ipv4(6, 3900, 0, 0), Netif.GSO_TCPV4);
        assertTaken("segments of IPv4");
        assertEquals(Netif.NULL, front.tx.nextAnswer().get(JAVA_SHORT_UNALIGNED, 2));
        front.sendSegments(Frames.ipv4(6, 3900, 0, 1), Netif.GSO_TCPV4);
        assertTaken("segments of IPv4 with a tag");
        assertEquals(Netif.NULL, front.tx.nextAnswer().get(JAVA_SHORT_UNALIGNED, 2));
        front.sendSegments(Frames.ipv6(6, 3900), Netif.GSO_TCPV6);
        assertTaken("segments of IPv6");
    }

    private static byte[] udp(int hostPort, byte[] payload) throws Exception {
        byte[] frame = Frames.ipv4(17, 8 + payload.length, 0, 0);
        ByteBuffer bytes = ByteBuffer.wrap(frame);
        Arrays.fill(frame, 0, 6, (byte) 0xff);
        bytes.put(6, new byte[] {2, 0, 0, 0, 0, 9});
        bytes.put(14 + 1, (byte) 0).putInt(14 + 4, 0).put(14 + 8, (byte) 64);
        bytes.putShort(14 + 10, (short) 0);
        bytes.put(14 + 12, InetAddress.getByName(GUEST).getAddress());
        bytes.put(14 + 16, InetAddress.getByName(HOST).getAddress());
        int sum = 0;
        for (int at = 14; at < 34; at += 2) {
            sum += Short.toUnsignedInt(bytes.getShort(at));
        }
        sum = (sum & 0xffff) + (sum >> 16);
        bytes.putShort(14 + 10, (short) ~((sum & 0xffff) + (sum >> 16)));
        bytes.putShort(34, (short) 1234).putShort(36, (short) hostPort);
        bytes.putShort(38, (short) (8 + payload.length)).putShort(40, (short) 0);
        bytes.put(42, payload);
        return frame;
    }

    @Test
    void framesGoBothWaysThroughTheBridge() throws Exception {
        PvDevice device = guest.attach(nic());
        assertTrue(Files.exists(Path.of("/sys/class/net", BRIDGE, "brif", TAP)));
        assertEquals("0", carrier(), "nobody is connected yet");
        connect(device);
        assertEquals("1", carrier());
        try (DatagramSocket socket = new DatagramSocket(new InetSocketAddress(HOST, 0))) {
            socket.setSoTimeout(LIMIT_MILLIS);
            byte[] payload = "from the guest".getBytes(UTF_8);
            // The bridge's port forwards after a moment.
            DatagramPacket packet = new DatagramPacket(new byte[100], 100);
            front.send(udp(socket.getLocalPort(), payload), Netif.TX_CSUM_BLANK);
            socket.receive(packet);
            assertArrayEquals(payload, Arrays.copyOf(packet.getData(), packet.getLength()));
            Eventually.holds("it is answered", front.tx::hasAnswer);
            assertEquals(NetFront.ID, front.tx.nextAnswer().get(JAVA_SHORT_UNALIGNED, 0));

            socket.send(
                    new DatagramPacket(payload, payload.length, InetAddress.getByName(GUEST), 9));
            byte[] arp = front.receive(0x0806);
            assertEquals(42, arp.length);
        }
        assertEquals(1, meter("xen.net.frames", "tx"));
        assertTrue(meter("xen.net.frames", "rx") >= 1);
        guest.devices.detach(device, DetachMode.FORCED);
        assertEquals(List.of(), registry.getMeters());
    }

    private double meter(String name, String direction) {
        return registry.get(name)
                .tag("direction", direction)
                .tag("queue", "0")
                .functionCounter()
                .count();
    }

    private static String carrier() throws Exception {
        return Files.readString(Path.of("/sys/class/net", TAP, "carrier")).strip();
    }

    @Test
    void severalQueuesWithAnEventChannelForEachDirectionAndAControlRing() throws Exception {
        PvDevice device = guest.attach(nic());
        guest.write(device, "multi-queue-num-queues", 2);
        front.publish(device, "queue-1/");
        for (String way : List.of("tx", "rx")) {
            String ring = way + "-ring-ref";
            long gfn = SECOND_RINGS + (way.equals("tx") ? 0 : 1);
            guest.write(device, "queue-0/" + ring, guest.grant((int) (100 + gfn % 2), gfn).value());
            for (int queue = 0; queue < 2; queue++) {
                EvtchnPort split = guest.unboundPort();
                guest.write(device, "queue-" + queue + "/event-channel-" + way, split.value());
                front.port = queue == 1 && way.equals("tx") ? split : front.port;
            }
        }
        FrontRing control = new FrontRing(front.page(SECOND_RINGS + 2), Netif.CONTROL_RING, 0);
        guest.write(device, "ctrl-ring-ref", guest.grant(102, SECOND_RINGS + 2).value());
        EvtchnPort controlPort = guest.unboundPort();
        guest.write(device, "event-channel-ctrl", controlPort.value());
        guest.write(device, "request-rx-copy", 1);
        guest.become(device, XenbusState.CONNECTED);
        guest.await(device, XenbusState.CONNECTED);
        front.send(Frames.plain(60), 0);
        Eventually.holds("the second queue answers", front.tx::hasAnswer);
        control.nextSlot().set(JAVA_SHORT_UNALIGNED, 2, (short) 1);
        control.send();
        guest.send(controlPort);
        Eventually.holds("the control ring answers", control::hasAnswer);
        assertEquals(
                1,
                registry.get("xen.net.frames")
                        .tag("direction", "tx")
                        .tag("queue", "1")
                        .functionCounter()
                        .count());
    }

    /// XSA-526: nodes that make the connection fail half way, again and again, and then good ones.
    @Test
    void xsa526AFailureHalfWayLeavesNothing() throws Exception {
        PvDevice device = guest.attach(nic());
        int ports = guest.servicePorts();
        for (String node :
                List.of("tx-ring-ref", "rx-ring-ref", "event-channel", "request-rx-copy")) {
            front.publish(device, "");
            guest.write(device, "request-rx-copy", 1);
            guest.write(device, node, node.equals("request-rx-copy") ? "0" : "77");
            guest.become(device, XenbusState.CONNECTED);
            guest.await(device, XenbusState.CLOSING);
            assertTrue(guest.client.exists(device.errorPath()), node);
            guest.become(device, XenbusState.CLOSED);
            guest.await(device, XenbusState.CLOSED);
            guest.close(front.port);
            assertEquals(ports, guest.servicePorts(), node);
            for (int ref = 9; ref < 11; ref++) {
                assertTrue(guest.revoke(ref), node);
            }
            assertEquals("0", carrier());
            guest.become(device, XenbusState.INITIALISING);
            guest.await(device, XenbusState.INIT_WAIT);
        }
        connect(device);
        assertEquals("1", carrier());
    }

    @Test
    void connectingAgainAndAgainLeavesNothing() throws Exception {
        PvDevice device = guest.attach(nic());
        connect(device);
        front.disconnect(device);
        int threads = threads();
        long descriptors = descriptors();
        for (int i = 0; i < CYCLES; i++) {
            guest.become(device, XenbusState.INITIALISING);
            guest.await(device, XenbusState.INIT_WAIT);
            connect(device);
            front.disconnect(device);
        }
        Eventually.holds("threads have ended", () -> threads() <= threads);
        Eventually.holds("descriptors are closed", () -> descriptors() <= descriptors);
        assertTrue(guest.revoke(9));
    }

    /// XSA-527: the guest disconnects while frames run in both directions.
    @Test
    void xsa527DisconnectWhileFramesRunLeavesNothing() throws Exception {
        PvDevice device = guest.attach(nic());
        connect(device);
        AtomicBoolean end = new AtomicBoolean();
        Thread host = Thread.ofPlatform().start(() -> broadcast(end));
        try {
            for (int i = 0; i < CYCLES; i++) {
                while (front.tx.hasRoom()) {
                    front.send(Frames.ipv4(17, 100, 0, 0), 0);
                }
                front.disconnect(device);
                for (int ref = 9; ref <= NetFront.FIRST_REF + NetFront.POSTED; ref++) {
                    assertTrue(
                            (ref > 10 && ref < NetFront.FIRST_REF) || guest.revoke(ref),
                            "in use: " + ref);
                }
                guest.become(device, XenbusState.INITIALISING);
                guest.await(device, XenbusState.INIT_WAIT);
                connect(device);
            }
        } finally {
            end.set(true);
            host.join();
        }
        assertEquals("1", carrier());
    }

    /// Frames for every interface of the bridge.
    private static void broadcast(AtomicBoolean end) {
        try (DatagramSocket socket = new DatagramSocket()) {
            socket.setBroadcast(true);
            InetSocketAddress all = new InetSocketAddress("10.231.78.255", 9);
            while (!end.get()) {
                socket.send(new DatagramPacket(new byte[1000], 1000, all));
                LockSupport.parkNanos(100_000);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int threads() {
        return (int)
                Thread.getAllStackTraces().keySet().stream()
                        .filter(thread -> thread.getName().contains("-vif-"))
                        .count();
    }

    private static long descriptors() throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            return open.count();
        }
    }

    @Test
    void aFrontEndMayChangeItsHeadroomWhileConnected() throws Exception {
        PvDevice device = guest.attach(nic());
        connect(device);
        guest.write(device, "xdp-headroom", 256);
        guest.become(device, XenbusState.RECONFIGURING);
        guest.await(device, XenbusState.RECONFIGURED);
        guest.become(device, XenbusState.CONNECTED);
        guest.await(device, XenbusState.CONNECTED);
        guest.write(device, "xdp-headroom", 0x8000);
        guest.become(device, XenbusState.RECONFIGURING);
        guest.await(device, XenbusState.CLOSING);
    }

    @Test
    void theBridgeLearnsWhereARestoredGuestIs() throws Exception {
        PvDevice device = guest.attach(nic("mac=00:16:3e:01:02:03"));
        connect(device);
        ServedGuest.Saved saved = guest.savedAndEnded();
        assertFalse(isLearnt());
        try (ServedGuest next =
                saved.restored(ServedGuest.LIMIT, new NetKind(new SimpleMeterRegistry()))) {
            next.backends.resume(TestDomain.ID);
            Eventually.holds("the bridge knows it", NetBackendTest::isLearnt);
            NetFront moved = new NetFront(next, front);
            moved.send(Frames.plain(100), 0);
            assertEquals(Netif.OKAY, moved.answer());
            assertEquals(XenbusState.CONNECTED, next.state(device));
        }
    }

    /// Whether the bridge's table (`struct __fdb_entry` of linux/if_bridge.h) has the guest's address.
    private static boolean isLearnt() throws IOException {
        byte[] table = new byte[4096];
        int bytes;
        // The kernel gives whole entries, and so nothing to a reader that first asks for one byte.
        try (var file = new FileInputStream("/sys/class/net/" + BRIDGE + "/brforward")) {
            bytes = file.read(table);
        }
        byte[] address = {0, 0x16, 0x3e, 1, 2, 3};
        for (int at = 0; at + 16 <= bytes; at += 16) {
            if (Arrays.equals(table, at, at + 6, address, 0, 6)) {
                return true;
            }
        }
        return false;
    }

    @Test
    void hostFailuresAreRefusedInOneLine() throws Exception {
        assertEquals(
                "there is no bridge xnone0",
                refusal(NicSpec.parse(List.of("vifname=" + TAP, "bridge=xnone0"), new Random(1))));
        assertEquals(
                "lo is no bridge",
                refusal(NicSpec.parse(List.of("vifname=" + TAP, "bridge=lo"), new Random(1))));
        assertEquals(BRIDGE + " is in use, or is no tap", refusal(nic("vifname=" + BRIDGE)));
        assertEquals("an interface cannot have the name a b", refusal(nic("vifname=a b")));
        assertEquals("ip needs a script: give script=PATH", refusal(nic("ip=10.0.0.1")));
        guest.attach(nic());
    }

    private String refusal(NicSpec spec) {
        return assertThrows(Refused.class, () -> guest.attach(spec)).reason();
    }

    /// A second queue of the first one's tap would get its frames.
    @Test
    void aTapBelongsToOneDeviceUntilItHasEnded() throws Exception {
        PvDevice device = guest.attach(nic());
        assertEquals(TAP + " is in use by another device, or one that still ends", refusal(nic()));
        guest.devices.detach(device, DetachMode.FORCED);
        guest.attach(nic());
    }

    /// It may be that of another service, with a domain of the same id.
    @Test
    void aTapThatAnotherProcessHasMadeIsRefused() throws Exception {
        try (Tap _ = Tap.open(TAP, true)) {
            assertEquals(TAP + " is in use by another process", refusal(nic()));
        }
        guest.attach(nic());
    }

    @Test
    void aScriptIsCalledAsXlCallsIt() throws Exception {
        Path script = script("echo \"$1 $2 $vif $XENBUS_TYPE $XENBUS_PATH\" >>" + folder + "/log");
        PvDevice device = guest.attach(nic("script=" + script));
        String rest = " type_if=vif " + TAP + " vif backend/vif/1/0";
        assertEquals(List.of("online" + rest), Files.readAllLines(folder.resolve("log")));
        guest.devices.detach(device, DetachMode.FORCED);
        assertEquals(
                List.of("online" + rest, "offline" + rest),
                Files.readAllLines(folder.resolve("log")));
    }

    @Test
    void aScriptThatFailsRefusesTheDeviceWithItsLastWords() throws Exception {
        Path script = script("echo no such bridge >&2; exit 3");
        assertEquals(
                script + " online has failed with 3: no such bridge",
                refusal(nic("script=" + script)));
        guest.attach(nic());
    }

    private Path script(String commands) throws IOException {
        Path script = folder.resolve("script");
        Files.writeString(script, "#!/bin/sh\n" + commands + "\n");
        Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwxr-xr-x"));
        return script;
    }

    /// A tap that somebody else has made, with one queue and in no bridge, stays where it is.
    @Test
    void aTapOfSomebodyElseIsUsedAsItIs() throws Exception {
        assertEquals(0, ip("tuntap", "add", "dev", TAP, "mode", "tap", "vnet_hdr"));
        try {
            assertEquals(0, ip("link", "set", TAP, "up"));
            PvDevice device = guest.attach(nic());
            assertFalse(Files.exists(Path.of("/sys/class/net", BRIDGE, "brif", TAP)));
            assertEquals("1", guest.client.read(device.backendPath() + "/multi-queue-max-queues"));
            connect(device);
            assertEquals("1", carrier());
            guest.devices.detach(device, DetachMode.FORCED);
            assertTrue(new NetInterface(TAP).exists());
        } finally {
            ip("link", "del", TAP);
        }
    }

    /// The host deletes the interface under a connected guest: the device closes, and the service goes on.
    @Test
    void aDeletedTapClosesTheDevice() throws Exception {
        PvDevice device = guest.attach(nic());
        connect(device);
        assertEquals(0, ip("link", "del", TAP));
        guest.await(device, XenbusState.CLOSING);
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
    }
}
