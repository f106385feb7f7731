package io.xenemu.core.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.hypervisor.HostException;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/// Limits of the connections that clients can open, and of the time that they can keep them.
@Timeout(60)
final class ControlLimitsTest {
    private static final Duration LONGER_THAN_A_PAUSE = Duration.ofMillis(2500);
    private static final String FULL = "busy: too many consoles and waiting commands: 48";

    @TempDir private Path folder = Path.of("");

    private final List<TestClient> clients = new ArrayList<>();

    private Path path() {
        return folder.resolve("control");
    }

    private ControlSocket open() throws IOException {
        return ControlSocket.open(path(), null, TestCommands.ECHO);
    }

    private TestClient connect() throws IOException {
        TestClient client = TestClient.of(path());
        clients.add(client);
        return client;
    }

    @AfterEach
    void close() throws IOException {
        for (TestClient client : clients) {
            client.close();
        }
    }

    @Test
    void longestLineIsTaken() throws Exception {
        int rest = ControlProtocol.MAX_REQUEST - TestClient.request("").length();
        String verb = "x".repeat(rest);
        try (ControlSocket _ = open()) {
            TestClient client = connect();
            client.ask(verb);
            assertEquals(List.of("<" + verb + ">"), client.text());
            client.send(TestClient.request(verb) + "y");
            assertEquals("malformed: more than 65536 bytes in a line", client.error());
            assertNull(client.line());
        }
    }

    /// Its thread may run late on a busy host.
    @Test
    void connectionThatIsNotServedYetMakesRoom() throws Exception {
        UnixDomainSocketAddress address = UnixDomainSocketAddress.of(path());
        try (ServerSocketChannel server =
                        ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(address);
                SocketChannel _ = SocketChannel.open(address);
                SocketChannel accepted = server.accept()) {
            RequestLines lines = new RequestLines(accepted, Duration.ofMinutes(1));
            assertTrue(lines.waited() >= 0);
            assertTrue(lines.makeRoom());
            assertNull(lines.next());
            assertFalse(lines.makeRoom());
        }
    }

    @Test
    void oneConnectionTooManyIsRefusedWithTheReason() throws Exception {
        CountDownLatch under = new CountDownLatch(ControlSocket.MAX_CONNECTIONS);
        CountDownLatch end = new CountDownLatch(1);
        try (ControlSocket _ = openWaiting(under, end)) {
            for (int i = 0; i < ControlSocket.MAX_SESSIONS; i++) {
                connect().ask("shutdown", "web", "wait");
            }
            for (int i = ControlSocket.MAX_SESSIONS; i < ControlSocket.MAX_CONNECTIONS; i++) {
                connect().ask("long");
            }
            under.await();
            try (TestClient surplus = TestClient.ungreeted(path())) {
                assertEquals("busy: too many connections", surplus.error());
            }
            end.countDown();
            clients.getLast().ask("still");
            assertEquals(List.of(), clients.getLast().text());
            assertEquals(List.of("<still>"), clients.getLast().text());
        }
    }

    /// They wait for the next process, and hold descriptors of this one.
    @Test
    void clientsOfAServiceThatLeavesAreLimitedToo() throws Exception {
        ControlSocket socket = open();
        socket.leave();
        try (socket) {
            for (int i = 0; i < ControlSocket.MAX_CONNECTIONS; i++) {
                clients.add(TestClient.ungreeted(path()));
            }
            try (TestClient surplus = TestClient.ungreeted(path())) {
                assertEquals("busy: too many connections", surplus.error());
            }
        }
        for (TestClient client : clients) {
            assertNull(client.line());
        }
    }

    @Test
    void connectionThatIsIdleForLongestMakesRoom() throws Exception {
        try (ControlSocket _ = open()) {
            for (int i = 0; i < ControlSocket.MAX_CONNECTIONS; i++) {
                connect();
            }
            clients.getFirst().ask("first");
            assertEquals(List.of("<first>"), clients.getFirst().text());
            connect().ask("surplus");
            assertEquals(List.of("<surplus>"), clients.getLast().text());
            assertEquals(
                    "busy: too many connections, and this one has asked nothing for longest",
                    clients.get(1).error());
            assertNull(clients.get(1).line());
            clients.getFirst().ask("first");
            assertEquals(List.of("<first>"), clients.getFirst().text());
        }
    }

    @Test
    void consolesLeaveRoomForCommands() throws Exception {
        try (ControlSocket _ = open()) {
            for (int i = 0; i < ControlSocket.MAX_SESSIONS; i++) {
                TestClient console = connect();
                console.ask("mirror");
                assertEquals(List.of(), console.text());
            }
            HostException refused =
                    assertThrows(
                            HostException.class,
                            () -> ControlClient.console(path(), "pv", "mirror"));
            assertEquals("too many consoles and waiting commands: 48", refused.getMessage());
            assertEquals(3, ControlClient.command(path(), List.of("rows")).size());
        }
    }

    private ControlSocket openWaiting(CountDownLatch waiting, CountDownLatch end)
            throws IOException {
        return ControlSocket.open(
                path(), null, new TestCommands(words -> waitThenEcho(words, waiting, end)));
    }

    private static ControlReply waitThenEcho(
            String words, CountDownLatch waiting, CountDownLatch end) {
        if (!words.endsWith(" wait") && !words.equals("long")) {
            return TestCommands.echo(words);
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
    void commandsThatWaitLeaveRoomForThoseThatDoNot() throws Exception {
        CountDownLatch waiting = new CountDownLatch(ControlSocket.MAX_SESSIONS);
        CountDownLatch end = new CountDownLatch(1);
        try (ControlSocket _ = openWaiting(waiting, end)) {
            for (int i = 0; i < ControlSocket.MAX_SESSIONS; i++) {
                connect().ask("shutdown", "web", "wait");
            }
            waiting.await();
            TestClient surplus = connect();
            surplus.ask("reboot-all", "wait");
            assertEquals(FULL, surplus.error());
            assertThrows(HostException.class, () -> ControlClient.console(path(), "pv", "mirror"));
            assertEquals(3, ControlClient.command(path(), List.of("rows")).size());

            end.countDown();
            assertEquals(List.of(), clients.getFirst().text());
            surplus.ask("reboot-all", "wait");
            assertEquals(List.of(), surplus.text());
        }
    }

    @Test
    void clientThatHasGoneFreesItsPlace() throws Exception {
        CountDownLatch waiting = new CountDownLatch(ControlSocket.MAX_SESSIONS);
        try (ControlSocket _ = openWaiting(waiting, new CountDownLatch(1))) {
            for (int i = 0; i < ControlSocket.MAX_SESSIONS; i++) {
                connect().ask("shutdown", "web", "wait");
            }
            waiting.await();
            close();
            String answer = FULL;
            while (answer.contains("too many")) {
                Thread.sleep(100);
                try (TestClient next = TestClient.of(path())) {
                    next.ask("mirror");
                    answer = String.valueOf(next.line());
                }
            }
            assertEquals("{\"id\": 1, \"result\": {}}", answer);
        }
    }

    @Test
    void requestsThatComeDuringAWaitAreAnsweredAfterIt() throws Exception {
        CountDownLatch waiting = new CountDownLatch(1);
        CountDownLatch end = new CountDownLatch(1);
        try (ControlSocket _ = openWaiting(waiting, end)) {
            TestClient client = connect();
            String second = TestClient.request("second");
            client.send(
                    TestClient.request("shutdown", "web", "wait")
                            + '\n'
                            + TestClient.request("first")
                            + '\n'
                            + second.substring(0, 5));
            waiting.await();
            client.send(second.substring(5) + '\n');
            Thread.sleep(LONGER_THAN_A_PAUSE);
            end.countDown();
            assertEquals(List.of(), client.text());
            assertEquals(List.of("<first>"), client.text());
            assertEquals(List.of("<second>"), client.text());
        }
    }

    @Test
    void connectionThatAsksNothingIsClosed() throws Exception {
        try (ControlSocket _ =
                ControlSocket.open(path(), null, TestCommands.ECHO, Duration.ofMillis(200))) {
            TestClient client = connect();
            client.send("half a line");
            assertNull(client.line());
        }
    }

    /// The service is a process of its own, whose limit is low.
    @Test
    void lackOfDescriptorsDoesNotEndTheService() throws Exception {
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
            try (TestClient client = TestClient.ungreeted(path())) {
                client.ask("now");
                awaitLine(output, "Too many open files");
                // Waits until it has tried again in vain.
                Thread.sleep(LONGER_THAN_A_PAUSE);
                service.outputWriter().append('\n').flush();
                assertEquals(TestClient.greeting(service.pid()), client.line());
                assertEquals(List.of("<now>"), client.text());
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
            ControlSocket _ = ControlSocket.open(path, null, TestCommands.ECHO);
            long before = sockets();
            // Loads the classes that are needed later, which takes descriptors.
            List<String> _ = ControlClient.command(path, List.of("ok"));
            while (sockets() > before) {
                // The descriptor of that connection would be free for the client.
                Thread.onSpinWait();
            }
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

        private static long sockets() throws IOException {
            long count = 0;
            try (DirectoryStream<Path> descriptors =
                    Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
                for (Path descriptor : descriptors) {
                    count += isSocket(descriptor) ? 1 : 0;
                }
            }
            return count;
        }

        private static boolean isSocket(Path descriptor) throws IOException {
            try {
                return Files.readSymbolicLink(descriptor).toString().startsWith("socket:");
            } catch (NoSuchFileException e) {
                // Closed just now.
                return false;
            }
        }
    }
}
