package io.xenemu.core.service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

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
                                    folder.resolve("xenstore"),
                                    Quotas.DEFAULT,
                                    EngineSpec.withDefaults(List.of(), 1),
                                    DomainIdPolicy.XEN,
                                    Duration.ZERO,
                                    folder.resolve("dumps"),
                                    folder.resolve("migrations"),
                                    null,
                                    null,
                                    arguments.length > 1))
                    .run();
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
