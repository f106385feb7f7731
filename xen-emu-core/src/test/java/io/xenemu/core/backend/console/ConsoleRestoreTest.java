package io.xenemu.core.backend.console;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.ServedGuest;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.toolstack.ConsoleSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A guest with further consoles is saved, and restored in a domain of another service: its front end, which knows
/// nothing of that, goes on in the same ring, and no byte is lost or doubled.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class ConsoleRestoreTest {
    private static final Duration LIMIT = Duration.ofSeconds(10);

    /// Longer than any wait of these tests.
    private static final Duration ENDLESS = Duration.ofHours(1);

    private static final int CYCLES = 12;

    @TempDir private Path folder;
    private final ServedGuest old = new ServedGuest(LIMIT, kind());

    ConsoleRestoreTest() throws Exception {}

    @AfterEach
    void close() {
        old.close();
    }

    private static ConsoleKind kind() {
        return new ConsoleKind(new SimpleMeterRegistry(), ENDLESS);
    }

    private ConsoleFront attached(String text) throws Exception {
        return new ConsoleFront(old, old.attach(ConsoleSpec.parse(List.of(text))));
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

    /// More than the rings have, in both directions.
    @Test
    void whatNobodyHasTakenComesAfterwards() throws Exception {
        ConsoleFront before = connected(onSocket());
        byte[] output = noise(100_000);
        before.print(output);
        byte[] input = noise(20_000);
        try (SocketChannel client = client()) {
            // It takes a part, and sends more than the guest reads.
            assertArrayEquals(Arrays.copyOf(output, 10), read(client, 10));
            client.write(ByteBuffer.wrap(input));
            assertArrayEquals(Arrays.copyOf(input, 100), before.read(100));
            Eventually.holds("all has left", () -> taken(client, output.length - 10));
        }
        before.print(output);
        try (ServedGuest next = old.savedAndEnded().restored(LIMIT, kind())) {
            ConsoleFront front = new ConsoleFront(next, before);
            next.backends.resume(TestDomain.ID);
            assertArrayEquals(Arrays.copyOfRange(input, 100, 20_000), front.read(19_900));
            front.print("more".getBytes(US_ASCII));
            try (SocketChannel client = client()) {
                assertArrayEquals(output, read(client, output.length));
                assertArrayEquals("more".getBytes(US_ASCII), read(client, 4));
                client.write(ByteBuffer.wrap(input, 0, 50));
                assertArrayEquals(Arrays.copyOf(input, 50), front.read(50));
            }
            assertEquals(XenbusState.CONNECTED, next.state(front.device));
            front.disconnect();
            assertTrue(front.revoke());
            assertEquals(0, next.servicePorts());
        }
    }

    private static boolean taken(SocketChannel client, int count) throws IOException {
        return read(client, count).length == count;
    }

    @Test
    void aTerminalIsMadeAnewAndItsNodesTellIt() throws Exception {
        ConsoleFront before = connected("connection=pty");
        String terminal = old.devices.list().terminal(before.device);
        ServedGuest.Saved saved = old.saved();
        // Two services at once, so that they cannot have the same one.
        try (ServedGuest next = saved.restored(LIMIT, kind())) {
            ConsoleFront front = new ConsoleFront(next, before);
            next.backends.resume(TestDomain.ID);
            String other = next.devices.list().terminal(front.device);
            assertTrue(other.startsWith("/dev/pts/") && !other.equals(terminal), other);
            assertEquals(other, next.client.read(front.device.frontendPath() + "/tty"));
            assertEquals(other, next.client.read(front.device.backendPath() + "/tty"));
            byte[] typed = noise(3000);
            Path path = Path.of(other);
            try (var stream = Files.newOutputStream(path)) {
                stream.write(typed);
                assertArrayEquals(typed, front.read(typed.length));
            }
        }
    }

    @Test
    void aFileIsContinued() throws Exception {
        ConsoleFront before = connected("connection=file,path=" + folder.resolve("log"));
        before.print("one".getBytes(US_ASCII));
        try (ServedGuest next = old.savedAndEnded().restored(LIMIT, kind())) {
            ConsoleFront front = new ConsoleFront(next, before);
            next.backends.resume(TestDomain.ID);
            front.print("two".getBytes(US_ASCII));
            Eventually.holds(
                    "it has both", () -> Files.readString(folder.resolve("log")).equals("onetwo"));
        }
    }

    @Test
    void aGuestGoesThroughManyServices() throws Exception {
        ConsoleFront front = connected(onSocket());
        Random random = new Random(7);
        byte[] output = noise(CYCLES * 5000);
        ServedGuest current = old;
        try {
            int printed = 0;
            int read = 0;
            for (int cycle = 0; cycle < CYCLES; cycle++) {
                int more = random.nextInt(5000);
                front.print(Arrays.copyOfRange(output, printed, printed + more));
                printed += more;
                if (random.nextBoolean()) {
                    try (SocketChannel client = client()) {
                        // All: the rest of what its socket has got would be lost with it.
                        assertArrayEquals(
                                Arrays.copyOfRange(output, read, printed),
                                read(client, printed - read));
                        read = printed;
                    }
                }
                ServedGuest.Saved saved = current.savedAndEnded();
                if (current != old) {
                    current.close();
                }
                current = saved.restored(LIMIT, kind());
                front = new ConsoleFront(current, front);
                current.backends.resume(TestDomain.ID);
            }
            try (SocketChannel client = client()) {
                assertArrayEquals(
                        Arrays.copyOfRange(output, read, printed), read(client, printed - read));
            }
        } finally {
            if (current != old) {
                current.close();
            }
        }
    }

    @Test
    void aBrokenRingStaysBroken() throws Exception {
        ConsoleFront before = connected(onSocket());
        before.set(ConsoleFront.OUT_PROD, 5000);
        before.kick();
        Eventually.holds("the error node", () -> old.client.exists(before.device.errorPath()));
        try (ServedGuest next = old.savedAndEnded().restored(LIMIT, kind())) {
            ConsoleFront front = new ConsoleFront(next, before);
            front.set(ConsoleFront.OUT_PROD, 0);
            next.backends.resume(TestDomain.ID);
            assertEquals(4, front.print("none".getBytes(US_ASCII), 0, 4));
            next.settle();
            assertEquals(4, front.waiting());
        }
    }

    @Test
    void aHandshakeGoesOn() throws Exception {
        ConsoleFront before = attached(onSocket());
        before.publish(0);
        try (ServedGuest next = old.savedAndEnded().restored(LIMIT, kind())) {
            ConsoleFront front = new ConsoleFront(next, before);
            next.backends.resume(TestDomain.ID);
            next.become(front.device, XenbusState.INITIALISED);
            next.await(front.device, XenbusState.CONNECTED);
            front.print("text".getBytes(US_ASCII));
            try (SocketChannel client = client()) {
                assertArrayEquals("text".getBytes(US_ASCII), read(client, 4));
            }
        }
    }

    @Test
    void aFolderThatIsMissingThereIsOneLine() throws Exception {
        Path below = Files.createDirectory(folder.resolve("below"));
        connected("connection=socket,path=" + below.resolve("socket"));
        ServedGuest.Saved saved = old.savedAndEnded();
        Files.delete(below);
        Refused refused = assertThrows(Refused.class, () -> saved.restored(LIMIT, kind()));
        assertTrue(refused.reason().contains(below.toString()), refused.reason());
        assertEquals(1, refused.reason().lines().count());
    }
}
