package io.xenemu.core.control;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.hypervisor.HostException;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

@Timeout(60)
final class ControlSocketTest {
    private static final Duration LONGER_THAN_A_PAUSE = Duration.ofMillis(2500);

    @TempDir private Path folder = Path.of("");

    private Path path() {
        return folder.resolve("control");
    }

    private static ControlReply echo(String line) {
        return switch (line) {
            case "fail" -> throw new IllegalStateException("of\nthe command");
            case "heap" -> throw new OutOfMemoryError("of a test");
            case "session" ->
                    ControlReply.session(_ -> {
                        throw new OutOfMemoryError("of a session");
                    });
            case "ok" -> ControlReply.done();
            case "rows" -> ControlReply.rows(List.of("1", "", "of\ntwo"));
            case "mirror", "console pv mirror" -> ControlReply.session(ControlSocketTest::mirror);
            default -> new ControlReply(List.of(), "<" + line + ">", null);
        };
    }

    private static void mirror(SocketChannel client) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(16);
        while (client.read(bytes) >= 0) {
            bytes.flip();
            client.write(bytes);
            bytes.clear();
        }
    }

    private ControlSocket open() throws IOException {
        return ControlSocket.open(path(), new TestCommands(ControlSocketTest::echo));
    }

    private final class Client implements AutoCloseable {
        private final SocketChannel channel =
                SocketChannel.open(UnixDomainSocketAddress.of(path()));
        private final BufferedReader replies =
                new BufferedReader(Channels.newReader(channel, UTF_8));

        Client() throws IOException {
            assertEquals("xen-emu control protocol 1", replies.readLine());
        }

        /// Without a greeting.
        Client(boolean greeted) throws IOException {
            assertFalse(greeted);
        }

        void send(String text) throws IOException {
            ByteBuffer bytes = UTF_8.encode(text);
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    @Test
    void everyLineGetsALine() throws IOException {
        try (ControlSocket _ = open();
                Client client = new Client()) {
            client.send("a");
            client.send("b\nc\n\nd");
            assertEquals("<ab>", client.replies.readLine());
            assertEquals("<c>", client.replies.readLine());
            assertEquals("<>", client.replies.readLine());
            client.send("\n");
            assertEquals("<d>", client.replies.readLine());
        }
    }

    @Test
    void rowsComeBeforeTheStatus() throws IOException, HostException {
        try (ControlSocket _ = open();
                Client client = new Client()) {
            client.send("rows\n");
            assertEquals("|1", client.replies.readLine());
            assertEquals("|", client.replies.readLine());
            assertEquals("|of two", client.replies.readLine());
            assertEquals("ok", client.replies.readLine());
            assertEquals(
                    List.of("1", "", "of two"), ControlClient.command(path(), List.of("rows")));
        }
    }

    @Test
    void sessionHasTheConnectionToItsEnd() throws IOException {
        try (ControlSocket _ = open();
                Client client = new Client()) {
            client.send("mirror\n");
            assertEquals("ok", client.replies.readLine());
            client.send("ok\n");
            client.send("rows\n");
            assertEquals("ok", client.replies.readLine());
            assertEquals("rows", client.replies.readLine());
            client.channel.shutdownOutput();
            assertNull(client.replies.readLine());
        }
    }

    @Test
    void wantOfHeapEndsACommandOrASessionAndNotTheService() throws IOException {
        try (ControlSocket _ = open()) {
            for (int i = 0; i < 2 * ControlSocket.MAX_CONNECTIONS; i++) {
                try (Client client = new Client()) {
                    client.send("heap\n");
                    assertTrue(client.replies.readLine().contains("OutOfMemoryError"));
                    client.send("session\n");
                    assertEquals("ok", client.replies.readLine());
                    assertNull(client.replies.readLine());
                }
            }
            try (Client client = new Client()) {
                client.send("now\n");
                assertEquals("<now>", client.replies.readLine());
            }
        }
    }

    @Test
    void onlyTheOwnerMayConnect() throws IOException {
        try (ControlSocket _ = open()) {
            assertEquals(
                    PosixFilePermissions.fromString("rw-------"),
                    Files.getPosixFilePermissions(path()));
        }
        assertFalse(Files.exists(path()));
    }

    @Test
    void longestLineIsTaken() throws IOException {
        String line = "x".repeat(ControlSocket.MAX_LINE);
        try (ControlSocket _ = open();
                Client client = new Client()) {
            client.send(line + "\n");
            assertEquals("<" + line + ">", client.replies.readLine());
            client.send(line + "y");
            assertEquals("error: more than 65536 bytes in a line", client.replies.readLine());
            assertNull(client.replies.readLine());
        }
    }

    @Test
    void oneConnectionTooManyIsToldSo() throws IOException {
        List<Client> clients = new ArrayList<>();
        try (ControlSocket _ = open()) {
            for (int i = 0; i < ControlSocket.MAX_CONNECTIONS; i++) {
                clients.add(new Client());
            }
            try (Client surplus = new Client(false)) {
                assertEquals("error: too many connections", surplus.replies.readLine());
            }
            Client last = clients.get(clients.size() - 1);
            last.send("still\n");
            assertEquals("<still>", last.replies.readLine());
        } finally {
            for (Client client : clients) {
                client.close();
            }
        }
    }

    @Test
    void consolesLeaveRoomForCommands() throws IOException, HostException {
        List<Client> consoles = new ArrayList<>();
        try (ControlSocket _ = open()) {
            for (int i = 0; i < ControlSocket.MAX_SESSIONS; i++) {
                Client console = new Client();
                consoles.add(console);
                console.send("mirror\n");
                assertEquals("ok", console.replies.readLine());
            }
            HostException refused =
                    assertThrows(
                            HostException.class,
                            () -> ControlClient.console(path(), "pv", "mirror"));
            assertEquals("too many consoles and waiting commands: 48", refused.getMessage());
            assertEquals(3, ControlClient.command(path(), List.of("rows")).size());
        } finally {
            for (Client console : consoles) {
                console.close();
            }
        }
    }

    @Test
    void commandsThatWaitLeaveRoomForThoseThatDoNot()
            throws IOException, HostException, InterruptedException {
        CountDownLatch waiting = new CountDownLatch(ControlSocket.MAX_SESSIONS);
        CountDownLatch end = new CountDownLatch(1);
        List<Client> clients = new ArrayList<>();
        try (ControlSocket _ =
                ControlSocket.open(
                        path(), new TestCommands(line -> waitThenEcho(line, waiting, end)))) {
            for (int i = 0; i < ControlSocket.MAX_SESSIONS; i++) {
                Client client = new Client();
                clients.add(client);
                client.send("shutdown web wait\n");
            }
            waiting.await();
            List<String> surplus = List.of("reboot-all", "wait");
            HostException refused =
                    assertThrows(HostException.class, () -> ControlClient.command(path(), surplus));
            assertEquals("too many consoles and waiting commands: 48", refused.getMessage());
            assertThrows(HostException.class, () -> ControlClient.console(path(), "pv", "mirror"));
            assertEquals(3, ControlClient.command(path(), List.of("rows")).size());

            end.countDown();
            assertEquals("ok", clients.getFirst().replies.readLine());
            assertEquals(List.of(), ControlClient.patientCommand(path(), surplus));
        } finally {
            for (Client client : clients) {
                client.close();
            }
        }
    }

    @Test
    void clientThatHasGoneWaitsNoLonger() throws Exception {
        CountDownLatch waiting = new CountDownLatch(ControlSocket.MAX_SESSIONS);
        CountDownLatch never = new CountDownLatch(1);
        try (ControlSocket _ =
                ControlSocket.open(
                        path(), new TestCommands(line -> waitThenEcho(line, waiting, never)))) {
            List<Client> clients = new ArrayList<>();
            for (int i = 0; i < ControlSocket.MAX_SESSIONS; i++) {
                clients.add(new Client());
                clients.getLast().send("shutdown web wait\n");
            }
            waiting.await();
            for (Client client : clients) {
                client.close();
            }
            String reply = "";
            while (!reply.equals("ok")) {
                Thread.sleep(100);
                try (Client next = new Client()) {
                    next.send("mirror\n");
                    reply = String.valueOf(next.replies.readLine());
                }
            }
        }
    }

    @Test
    void requestsThatComeDuringAWaitAreAnsweredAfterIt() throws Exception {
        CountDownLatch waiting = new CountDownLatch(1);
        CountDownLatch end = new CountDownLatch(1);
        try (ControlSocket _ =
                        ControlSocket.open(
                                path(),
                                new TestCommands(line -> waitThenEcho(line, waiting, end)));
                Client client = new Client()) {
            client.send("shutdown web wait\nfirst\nsec");
            waiting.await();
            client.send("ond\n");
            Thread.sleep(LONGER_THAN_A_PAUSE);
            end.countDown();
            assertEquals("ok", client.replies.readLine());
            assertEquals("<first>", client.replies.readLine());
            assertEquals("<second>", client.replies.readLine());
        }
    }

    private static ControlReply waitThenEcho(
            String line, CountDownLatch waiting, CountDownLatch end) {
        if (!line.endsWith(" wait")) {
            return echo(line);
        }
        waiting.countDown();
        try {
            end.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return ControlReply.done();
    }

    @Test
    void connectionThatAsksNothingIsClosed() throws IOException {
        try (ControlSocket _ =
                        ControlSocket.open(
                                path(),
                                new TestCommands(ControlSocketTest::echo),
                                Duration.ofMillis(200));
                Client client = new Client()) {
            client.send("half a line");
            assertNull(client.replies.readLine());
        }
    }

    @Test
    void commandThatFailsIsOneLine() throws IOException {
        try (ControlSocket _ = open();
                Client client = new Client()) {
            client.send("fail\nnext\n");
            assertTrue(client.replies.readLine().startsWith("error: internal error"));
            assertEquals("<next>", client.replies.readLine());
        }
    }

    @Test
    void servedSocketAndOtherFilesAreNotReplaced() throws IOException {
        try (ControlSocket _ = open()) {
            assertThrows(IOException.class, this::open);
            assertDoesNotThrow(() -> ControlClient.command(path(), List.of("ok")));
        }
        Files.writeString(path(), "precious");
        assertThrows(IOException.class, this::open);
        assertEquals("precious", Files.readString(path()));
    }

    /// In a process of its own, whose limit is low.
    @Test
    void wantOfDescriptorsDoesNotEndTheService() throws Exception {
        Process service =
                new ProcessBuilder(
                                "/bin/sh",
                                "-c",
                                "ulimit -n 128; exec \"$0\" \"$@\"",
                                ProcessHandle.current().info().command().orElseThrow(),
                                "-XX:-MaxFDLimit",
                                "-cp",
                                System.getProperty("java.class.path"),
                                FewDescriptors.class.getName(),
                                path().toString())
                        .redirectErrorStream(true)
                        .start();
        try (BufferedReader output = service.inputReader()) {
            awaitLine(output, FewDescriptors.NONE_LEFT);
            try (Client client = new Client(false)) {
                client.send("now\n");
                awaitLine(output, "Too many open files");
                // So that it is tried again in vain.
                Thread.sleep(LONGER_THAN_A_PAUSE);
                service.outputWriter().append('\n').flush();
                assertEquals(ControlReply.GREETING, client.replies.readLine());
                assertEquals("<now>", client.replies.readLine());
                String next = String.valueOf(output.readLine());
                assertTrue(next.contains("accepts connections again"), next);
            }
        } finally {
            service.destroyForcibly().waitFor();
        }
    }

    private static void awaitLine(BufferedReader lines, String part) throws IOException {
        List<String> seen = new ArrayList<>();
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            seen.add(line);
            if (line.contains(part)) {
                return;
            }
        }
        throw new AssertionError("no '" + part + "' in " + seen);
    }

    /// A service that has no descriptors left until it is sent a byte.
    static final class FewDescriptors {
        static final String NONE_LEFT = "none left";

        private FewDescriptors() {}

        public static void main(String[] args) throws IOException, HostException {
            Path path = Path.of(args[0]);
            ControlSocket _ = ControlSocket.open(path, new TestCommands(ControlSocketTest::echo));
            // Loads the classes that are needed later, which takes descriptors.
            List<String> _ = ControlClient.command(path, List.of("ok"));
            LoggerFactory.getLogger(ControlSocket.class).warn("{}: {}", path, "ready");
            List<FileInputStream> taken = new ArrayList<>();
            try {
                while (true) {
                    taken.add(new FileInputStream("/dev/null"));
                }
            } catch (IOException e) {
                System.out.println(NONE_LEFT);
            }
            if (System.in.read() >= 0) {
                for (FileInputStream file : taken) {
                    file.close();
                }
            }
            while (System.in.read() >= 0) {
                System.out.println(NONE_LEFT);
            }
        }
    }

    @Test
    void clientTellsTheError() throws IOException {
        try (ControlSocket _ = open()) {
            HostException refused =
                    assertThrows(
                            HostException.class,
                            () -> ControlClient.command(path(), List.of("no")));
            assertEquals("<no>", refused.getMessage());
        }
        HostException nobody =
                assertThrows(
                        HostException.class, () -> ControlClient.command(path(), List.of("ok")));
        assertTrue(String.valueOf(nobody.getMessage()).startsWith("no service at "));
    }
}
