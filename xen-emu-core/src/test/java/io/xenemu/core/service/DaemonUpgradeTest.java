package io.xenemu.core.service;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.net.HostAndPort;
import io.xenemu.core.backend.engine.EngineSpec;
import io.xenemu.core.control.ControlClient;
import io.xenemu.core.guest.StoreTool;
import io.xenemu.core.hypervisor.DomainIdPolicy;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.kvm.testing.TestJvm;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.wire.MessageType;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A daemon without guests is upgraded again and again, each version a process of its own.
@Timeout(value = 240, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class DaemonUpgradeTest {
    private static final int UPGRADES = 3;

    @TempDir private Path folder = Path.of("");
    private final List<Process> processes = new ArrayList<>();

    /// A daemon, until it is handed over or killed.
    static final class Version {
        private Version() {}

        public static void main(String[] arguments) throws HostException {
            Path folder = Path.of(arguments[0]);
            Daemon.withoutKvm(
                            new DaemonRequest(
                                    folder.resolve("control"),
                                    null,
                                    folder.resolve("attach"),
                                    folder.resolve("devices"),
                                    folder.resolve("xenstore"),
                                    Quotas.DEFAULT,
                                    EngineSpec.withDefaults(List.of(), 1),
                                    DomainIdPolicy.XEN,
                                    Duration.ZERO,
                                    folder.resolve("dumps"),
                                    folder.resolve("migrations"),
                                    metrics(folder),
                                    null,
                                    arguments.length > 1))
                    .run();
        }
    }

    /// The address of the metrics, if the test has chosen one.
    private static @Nullable HostAndPort metrics(Path folder) {
        try {
            return HostAndPort.fromString(Files.readString(folder.resolve("metrics")));
        } catch (IOException e) {
            return null;
        }
    }

    @AfterEach
    void end() {
        processes.forEach(Process::destroyForcibly);
    }

    private Process start(String... further) throws IOException {
        List<String> arguments = new ArrayList<>(List.of(folder.toString()));
        arguments.addAll(List.of(further));
        ProcessBuilder builder =
                new ProcessBuilder(TestJvm.command(Version.class, arguments.toArray(String[]::new)))
                        .redirectErrorStream(true)
                        .redirectOutput(log(processes.size()).toFile());
        Process process = builder.start();
        processes.add(process);
        return process;
    }

    private Path log(int version) {
        return folder.resolve("log" + version);
    }

    /// Starts the next version.
    private void upgrade() throws Exception {
        Process old = processes.getLast();
        int number = processes.size();
        Process _ = start("upgrade");
        assertEquals(
                0,
                old.waitFor(),
                Files.readString(log(number - 1)) + Files.readString(log(number)));
    }

    @Test
    void clientsOfBothSocketsGoOn() throws Exception {
        Process _ = start();
        Eventually.holds("it serves", () -> Files.exists(folder.resolve("control")));
        AtomicBoolean over = new AtomicBoolean();
        FutureTask<@Nullable Void> verbs =
                new FutureTask<>(() -> {
                    while (!over.get()) {
                        assertFalse(
                                ControlClient.command(folder.resolve("control"), List.of("list"))
                                        .isEmpty());
                    }
                    return null;
                });
        FutureTask<@Nullable Void> tools =
                new FutureTask<>(() -> {
                    while (!over.get()) {
                        try (StoreTool tool = new StoreTool(folder.resolve("xenstore"))) {
                            assertEquals("", tool.ask(MessageType.READ, 0, "/|"));
                        }
                    }
                    return null;
                });
        try (StoreTool tool = new StoreTool(folder.resolve("xenstore"))) {
            assertEquals("OK|", tool.ask(MessageType.WATCH, 0, "/tool|token|"));
            assertEquals("/tool|token|", tool.next());
            Thread.ofPlatform().daemon().start(verbs);
            Thread.ofPlatform().daemon().start(tools);
            for (int i = 1; i <= UPGRADES; i++) {
                String transaction = tool.ask(MessageType.TRANSACTION_START, 0, "|");
                int id = Integer.parseInt(transaction.replace("|", ""));
                assertEquals("OK|", tool.ask(MessageType.WRITE, id, "/tool/" + i + "|" + i));
                upgrade();
                assertEquals("/tool/" + i + "|token|", ended(tool, id));
                assertEquals(
                        Integer.toString(i), tool.ask(MessageType.READ, 0, "/tool/" + i + "|"));
            }
            over.set(true);
            assertNull(verbs.get());
            assertNull(tools.get());
        }
        try (Stream<Path> files = Files.list(folder)) {
            assertTrue(
                    files.noneMatch(file -> file.toString().contains(".new")), "a second socket");
        }
    }

    /// One process or the other listens at each moment. A client that comes while the old one stops listening may find
    /// its connection reset.
    @Test
    void scrapesAreServedMeanwhile() throws Exception {
        InetSocketAddress address;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            address = (InetSocketAddress) free.getLocalSocketAddress();
        }
        Files.writeString(folder.resolve("metrics"), "127.0.0.1:" + address.getPort());
        Process _ = start();
        Eventually.holds("it serves", () -> Files.exists(folder.resolve("control")));
        AtomicBoolean over = new AtomicBoolean();
        FutureTask<Integer> scraper =
                new FutureTask<>(() -> {
                    int lost = 0;
                    while (!over.get()) {
                        lost += isAnswered(address) ? 0 : 1;
                        Thread.sleep(1);
                    }
                    return lost;
                });
        Thread.ofPlatform().daemon().start(scraper);
        for (int i = 0; i < UPGRADES; i++) {
            upgrade();
        }
        over.set(true);
        int lost = scraper.get();
        assertTrue(lost <= UPGRADES, lost + " scrapes were lost");
    }

    /// @throws java.net.ConnectException if nobody listens
    private static boolean isAnswered(InetSocketAddress address) throws IOException {
        try (Socket socket = new Socket(address.getAddress(), address.getPort())) {
            return isAnswered(socket);
        }
    }

    private static boolean isAnswered(Socket socket) {
        try {
            socket.getOutputStream().write("GET /metrics HTTP/1.1\r\n\r\n".getBytes(US_ASCII));
            String answer = new String(socket.getInputStream().readAllBytes(), US_ASCII);
            return answer.startsWith("HTTP/1.1 200 OK");
        } catch (IOException e) {
            return false;
        }
    }

    /// Commits, and gives the event that it causes, which comes first.
    private static String ended(StoreTool tool, int id) throws IOException {
        String event = tool.ask(MessageType.TRANSACTION_END, id, "T|");
        assertEquals("OK|", tool.next());
        return event;
    }

    @Test
    void versionThatIsKilledBeforeItHasTakenOverLeavesTheOldOneWithItsClients() throws Exception {
        Process old = start();
        Eventually.holds("it serves", () -> Files.exists(folder.resolve("control")));
        try (StoreTool tool = new StoreTool(folder.resolve("xenstore"))) {
            for (int i = 0; i < UPGRADES; i++) {
                start("upgrade").destroyForcibly().waitFor();
                assertEquals("OK|", tool.ask(MessageType.WRITE, 0, "/tool|" + i));
            }
        }
        assertTrue(old.isAlive());
    }
}
