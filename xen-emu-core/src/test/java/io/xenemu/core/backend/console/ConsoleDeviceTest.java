package io.xenemu.core.backend.console;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.ServedGuest;
import io.xenemu.core.domain.SaveScope;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.toolstack.ConsoleSpec;
import io.xenemu.core.toolstack.DetachMode;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.file.ByteStream;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Further consoles of a guest, from their attachment to their end.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class ConsoleDeviceTest {
    private static final Duration LIMIT = Duration.ofSeconds(2);

    /// Longer than any wait of these tests.
    private static final Duration ENDLESS = Duration.ofHours(1);

    private static final int CYCLES = 200;
    private static final int LITTLE = 4096;

    /// More than the kernel keeps for a socket or terminal that nobody reads, and the console's limit.
    private static final int MUCH = 4 << 20;

    @TempDir private Path folder;
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final ServedGuest guest = new ServedGuest(LIMIT, new ConsoleKind(registry, ENDLESS));

    ConsoleDeviceTest() throws Exception {}

    @AfterEach
    void close() {
        guest.close();
        assertEquals(List.of(), registry.getMeters());
    }

    private static ConsoleSpec spec(String text) throws Refused {
        return ConsoleSpec.parse(List.of(text));
    }

    private ConsoleFront attached(String text) throws Exception {
        return new ConsoleFront(guest, guest.attach(spec(text)));
    }

    private ConsoleFront connected(String text) throws Exception {
        ConsoleFront front = attached(text);
        front.connect();
        return front;
    }

    private Path socket() {
        return folder.resolve("socket");
    }

    private String onSocket() {
        return "name=org.example.agent,connection=socket,path=" + socket();
    }

    private SocketChannel client() throws IOException {
        return SocketChannel.open(UnixDomainSocketAddress.of(socket()));
    }

    private String onFile(String more) {
        return "connection=file,path=" + folder.resolve("log") + more;
    }

    private static byte[] noise(int count) {
        byte[] bytes = new byte[count];
        new Random(count).nextBytes(bytes);
        return bytes;
    }

    private static byte[] read(SocketChannel from, int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        while (bytes.hasRemaining() && from.read(bytes) >= 0) {
            // The rest follows.
        }
        return Arrays.copyOf(bytes.array(), bytes.position());
    }

    private double meter(String name) {
        return registry.get(name).functionCounter().count();
    }

    @Test
    void nodesAreThoseOfLibxl() throws Exception {
        PvDevice channel = guest.attach(spec(onSocket()));
        PvDevice plain = guest.attach(spec("connection=pty"));
        String back = "/local/domain/0/backend/console/1/1";
        String front = "/local/domain/1/device/console/1";
        assertEquals(back, channel.backendPath());
        assertEquals(front, channel.frontendPath());
        for (String[] node :
                new String[][] {
                    {back + "/frontend", front},
                    {back + "/frontend-id", "1"},
                    {back + "/online", "1"},
                    {back + "/protocol", "vt100"},
                    {back + "/name", "org.example.agent"},
                    {back + "/connection", "socket"},
                    {back + "/path", socket().toString()},
                    {front + "/backend", back},
                    {front + "/backend-id", "0"},
                    {front + "/state", "1"},
                    {front + "/protocol", "vt100"},
                    {front + "/name", "org.example.agent"},
                    {front + "/limit", "1048576"},
                    {front + "/type", "ioemu"},
                    {front + "/output", "chardev:libxl-channel0"},
                    {front + "/tty", ""},
                    {plain.frontendPath() + "/output", "pty"},
                    {plain.backendPath() + "/connection", "pty"}
                }) {
            assertEquals(node[1], guest.client.read(node[0]), node[0]);
        }
        assertFalse(guest.client.exists(plain.frontendPath() + "/name"));
        String tty = guest.client.read(plain.frontendPath() + "/tty");
        assertTrue(tty.startsWith("/dev/pts/"), tty);
        assertEquals(tty, guest.devices.list().terminal(plain));
        // The guest may write what it wants: an operator's command opens this path.
        guest.client.write(plain.frontendPath() + "/tty", "/etc/passwd");
        assertEquals(tty, guest.devices.list().terminal(plain));
        assertEquals(
                List.of(
                        "Idx BE state evt-ch ring-ref connection",
                        "0   0  1     -1     -1       socket     " + socket(),
                        "1   0  1     -1     -1       pty        " + tty),
                guest.devices.list().table(DeviceKind.CONSOLE, List.of(TestDomain.ID)));
        assertThrows(Refused.class, () -> guest.devices.list().terminal(channel));
        assertEquals(
                channel,
                guest.devices.list().find(DeviceKind.CONSOLE, TestDomain.ID, "org.example.agent"));
        assertThrows(
                Refused.class,
                () -> guest.attach(spec("name=org.example.agent,connection=pty")),
                "the name is taken");
        assertEquals(Optional.empty(), guest.backends.part(TestDomain.ID).blocker(SaveScope.ALONE));
    }

    @Test
    void thereAreAsManyAsLinuxTakes() throws Exception {
        for (int id = 1; id <= 9; id++) {
            assertEquals(id, guest.attach(spec("connection=pty")).id());
        }
        Refused refused = assertThrows(Refused.class, () -> guest.attach(spec("connection=pty")));
        assertEquals(
                "the domain has 9 further consoles already, the most that Linux takes",
                refused.reason());
        PvDevice fourth = guest.devices.list().find(DeviceKind.CONSOLE, TestDomain.ID, "4");
        guest.devices.detach(fourth, DetachMode.FORCED);
        assertEquals(4, guest.attach(spec("connection=pty")).id());
    }

    @Test
    void bytesGoBothWaysOverASocketWhoseClientsComeAndGo() throws Exception {
        ConsoleFront front = connected(onSocket());
        assertEquals(0, front.connection(), "the guest may see that it is served");
        byte[] out = noise(100_000);
        byte[] in = noise(50_000);
        for (int client = 0; client < 3; client++) {
            try (SocketChannel host = client()) {
                Thread typist =
                        Thread.ofPlatform()
                                .start(() -> {
                                    try {
                                        assertEquals(in.length, host.write(ByteBuffer.wrap(in)));
                                    } catch (IOException e) {
                                        throw new AssertionError(e);
                                    }
                                });
                assertArrayEquals(in, front.read(in.length));
                typist.join();
                Thread printer =
                        Thread.ofPlatform()
                                .start(() -> {
                                    try {
                                        front.print(out);
                                    } catch (XenError e) {
                                        throw new AssertionError(e);
                                    }
                                });
                assertArrayEquals(out, read(host, out.length));
                printer.join();
            }
        }
        // The host may have read them before they are counted.
        Eventually.holds(
                "all output is counted",
                () ->
                        registry.get("xen.console.bytes")
                                        .tag("direction", "output")
                                        .functionCounter()
                                        .count()
                                == 3.0 * out.length);
        assertEquals(
                3.0 * in.length,
                registry.get("xen.console.bytes")
                        .tag("direction", "input")
                        .functionCounter()
                        .count());
        assertEquals(0, meter("xen.console.lost"));
    }

    @Test
    void oneClientAtATimeIsServedAndTheNextOneWaits() throws Exception {
        ConsoleFront front = connected(onSocket());
        try (SocketChannel first = client();
                SocketChannel second = client()) {
            assertEquals(1, second.write(ByteBuffer.wrap(new byte[] {2})));
            assertEquals(1, first.write(ByteBuffer.wrap(new byte[] {1})));
            assertArrayEquals(new byte[] {1}, front.read(1));
            front.print(new byte[] {11});
            assertArrayEquals(new byte[] {11}, read(first, 1));
            first.shutdownOutput();
            assertArrayEquals(new byte[] {2}, front.read(1));
            front.print(new byte[] {12});
            assertArrayEquals(new byte[] {12}, read(second, 1));
        }
    }

    @Test
    void whatAClientHasSentBeforeItLeftReachesTheGuest() throws Exception {
        ConsoleFront front = attached(onSocket());
        byte[] in = noise(20_000);
        try (SocketChannel client = client()) {
            assertEquals(in.length, client.write(ByteBuffer.wrap(in)));
        }
        front.connect();
        front.print(new byte[] {1, 2, 3});
        assertArrayEquals(in, front.read(in.length));
        try (SocketChannel next = client()) {
            assertArrayEquals(new byte[] {1, 2, 3}, read(next, 3), "kept for the next one");
        }
    }

    @Test
    void outputWithoutAReaderIsKeptUpToTheLimit() throws Exception {
        ConsoleFront front = connected(onSocket() + ",limit=" + LITTLE);
        byte[] out = noise(10 * LITTLE);
        front.print(out);
        Eventually.holds("all is taken", () -> front.waiting() == 0);
        Eventually.holds("the rest", () -> meter("xen.console.lost") == 9.0 * LITTLE);
        assertEquals(LITTLE, registry.get("xen.console.kept").gauge().value());
        try (SocketChannel client = client()) {
            assertArrayEquals(
                    Arrays.copyOfRange(out, 9 * LITTLE, out.length), read(client, LITTLE));
        }
    }

    @Test
    void readerThatIsSlowHoldsTheGuestBackAndLosesNothing() throws Exception {
        ConsoleFront front = connected(onSocket() + ",limit=" + LITTLE);
        byte[] out = noise(MUCH);
        try (SocketChannel client = client()) {
            assertEquals(1, client.write(ByteBuffer.wrap(new byte[] {1})));
            assertArrayEquals(new byte[] {1}, front.read(1), "it is accepted");
            Thread printer =
                    Thread.ofPlatform()
                            .start(() -> {
                                try {
                                    front.print(out);
                                } catch (XenError e) {
                                    throw new AssertionError(e);
                                }
                            });
            Eventually.holds("the guest is held back", () -> front.waiting() == 2048);
            Eventually.holds(
                    "the limit", () -> registry.get("xen.console.kept").gauge().value() == LITTLE);
            assertArrayEquals(out, read(client, out.length));
            printer.join();
        }
        assertEquals(0, meter("xen.console.lost"));
    }

    @Test
    void terminalCarriesBytesBothWays() throws Exception {
        ConsoleFront front = connected("connection=pty");
        String tty = guest.devices.list().terminal(front.device);
        byte[] bytes = noise(1000);
        try (ByteStream other = ByteStream.openTerminal(Path.of(tty));
                Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(bytes.length);
            MemorySegment.copy(bytes, 0, buffer, ValueLayout.JAVA_BYTE, 0, bytes.length);
            assertEquals(bytes.length, other.write(buffer, bytes.length));
            assertArrayEquals(bytes, front.read(bytes.length));
            front.print(bytes);
            byte[] got = new byte[bytes.length];
            int[] done = {0};
            Eventually.holds(
                    "output",
                    () -> {
                        int count = other.read(buffer, bytes.length - done[0]);
                        if (count > 0) {
                            MemorySegment.copy(
                                    buffer, ValueLayout.JAVA_BYTE, 0, got, done[0], count);
                            done[0] += count;
                        }
                        return done[0] == bytes.length;
                    });
            assertArrayEquals(bytes, got);
        }
    }

    @Test
    void fileNeverExceedsItsSizeAndGoesOnWhenItWasTruncated() throws Exception {
        Path file = folder.resolve("log");
        Files.writeString(file, "before ");
        ConsoleFront front = connected(onFile(",max-size=4K,limit=" + LITTLE));
        front.print("hello".getBytes(US_ASCII));
        Eventually.holds("the file", () -> Files.readString(file).equals("before hello"));
        byte[] out = noise(100_000);
        front.print(out);
        Eventually.holds("all is taken", () -> front.waiting() == 0);
        assertEquals(4096, Files.size(file));
        assertTrue(meter("xen.console.lost") > 0);
        assertThrows(Refused.class, () -> guest.attach(spec(onFile(""))), "it is locked");
        Files.write(file, new byte[0]);
        front.print(new byte[] {1});
        Eventually.holds("it goes on", () -> Files.size(file) == 4096);
    }

    @Test
    void whatCannotBeHadIsOneLineAndLeavesNothing() throws Exception {
        Files.createDirectory(folder.resolve("d"));
        for (String wrong :
                List.of(
                        "connection=socket,path=" + folder + "/none/s",
                        "connection=socket,path=" + folder + "/d",
                        "connection=socket,path=/" + "s".repeat(120),
                        "connection=file,path=" + folder + "/none/f",
                        "connection=file,path=" + folder + "/d")) {
            Refused refused = assertThrows(Refused.class, () -> guest.attach(spec(wrong)));
            assertTrue(refused.reason().contains("/"), refused.reason());
            assertFalse(guest.client.exists("/libxl/1"), wrong);
        }
        assertEquals(
                folder + "/none/f cannot be made: no such file or directory",
                assertThrows(
                                Refused.class,
                                () ->
                                        guest.attach(
                                                spec("connection=file,path=" + folder + "/none/f")))
                        .reason());
    }

    @Test
    void guestThatComesBackFindsItsConsoleAndTheClientStays() throws Exception {
        ConsoleFront front = attached(onSocket());
        try (SocketChannel client = client()) {
            for (int cycle = 0; cycle < CYCLES; cycle++) {
                front.connect();
                byte[] bytes = noise(100 + cycle);
                front.print(bytes);
                // What is in the ring at the end is not lost.
                front.disconnect();
                assertTrue(front.revoke());
                assertEquals(0, guest.servicePorts());
                assertArrayEquals(bytes, read(client, bytes.length));
                guest.become(front.device, XenbusState.INITIALISING);
                guest.await(front.device, XenbusState.INIT_WAIT);
            }
        }
        guest.detach(front.device);
        assertFalse(Files.exists(socket()));
    }

    @Test
    void wrongFrontEndsAreRefusedAndLeaveNothing() throws Exception {
        ConsoleFront front = attached(onSocket());
        for (String[] node :
                new String[][] {
                    {"ring-ref", "400"}, {"ring-ref", "x"}, {"port", "77"}, {"port", "-1"}
                }) {
            front.publish(0);
            guest.write(front.device, node[0], node[1]);
            guest.become(front.device, XenbusState.INITIALISED);
            guest.await(front.device, XenbusState.CLOSING);
            front.disconnect();
            assertTrue(front.revoke());
            assertEquals(0, guest.servicePorts());
            guest.become(front.device, XenbusState.INITIALISING);
            guest.await(front.device, XenbusState.INIT_WAIT);
        }
        front.connect();
    }

    @Test
    void brokenRingIsReportedAndTheOtherConsoleGoesOn() throws Exception {
        ConsoleFront front = connected(onSocket());
        ConsoleFront other = connected(onFile(""));
        front.set(ConsoleFront.OUT_PROD, 100_000);
        front.kick();
        Eventually.holds("the error node", () -> guest.client.exists(front.device.errorPath()));
        other.print("fine".getBytes(US_ASCII));
        Eventually.holds("output", () -> Files.readString(folder.resolve("log")).equals("fine"));
    }

    @Test
    void endOfTheDomainLeavesNothing() throws Exception {
        ConsoleFront front = connected(onSocket());
        ConsoleFront file = connected(onFile(""));
        file.print("last".getBytes(US_ASCII));
        assertEquals(0, front.connection());
        try (SocketChannel client = client()) {
            guest.end();
            Eventually.holds("nothing is left", () -> registry.getMeters().isEmpty());
            assertEquals(0, read(client, 1).length, "the client sees the end");
        }
        assertEquals("last", Files.readString(folder.resolve("log")));
        assertFalse(Files.exists(socket()));
        assertEquals(
                List.of(),
                Thread.getAllStackTraces().keySet().stream()
                        .map(Thread::getName)
                        .filter(name -> name.startsWith("dom1-console"))
                        .toList());
    }

    @Test
    void readerThatTakesNothingDoesNotHoldTheGuestForEver() throws Exception {
        try (ServedGuest other =
                new ServedGuest(LIMIT, new ConsoleKind(registry, Duration.ofMillis(200)))) {
            ConsoleFront front =
                    new ConsoleFront(other, other.attach(spec(onSocket() + ",limit=" + LITTLE)));
            front.connect();
            try (SocketChannel client = client()) {
                assertTrue(client.isConnected());
                front.print(noise(MUCH));
                Eventually.holds("all is taken", () -> front.waiting() == 0);
                assertTrue(meter("xen.console.lost") > 0);
            }
            PvDevice terminal = other.attach(spec("connection=pty,limit=" + LITTLE));
            ConsoleFront unread = new ConsoleFront(other, terminal);
            unread.connect();
            unread.print(noise(MUCH));
            Eventually.holds("all is taken", () -> unread.waiting() == 0);
        }
    }
}
