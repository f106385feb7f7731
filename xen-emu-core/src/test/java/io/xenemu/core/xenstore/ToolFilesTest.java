package io.xenemu.core.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.wire.MessageType;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Our commands and the files and connections that they work on.
@Timeout(300)
final class ToolFilesTest extends ToolsRig {
    private int exitWithAFullDisk(String tool, String... arguments) throws Exception {
        List<String> command =
                new ArrayList<>(List.of("/bin/sh", "-c", "exec \"$@\" >/dev/full", ""));
        command.addAll(ours(tool, arguments));
        return run(command).exit();
    }

    /// The message of a command that fails.
    private String failure(List<String> command) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("XENSTORED_PATH", sockets.resolve("socket").toString());
        Process process = builder.start();
        byte[] errors = process.getErrorStream().readAllBytes();
        assertEquals(1, process.waitFor());
        return new String(errors, StandardCharsets.UTF_8);
    }

    @Test
    void daemonThatIsNotThereIsAFailure() throws Exception {
        server.close();
        assertSame("read", "/a");
    }

    @Test
    void transactionIsRepeatedWhenItConflicts() throws Exception {
        fill();
        int[] tries = new int[1];
        try (StoreConnection store = StoreConnection.open(sockets.resolve("socket"))) {
            StoreTool.perform(
                    store,
                    true,
                    (connection, _) -> {
                        byte[] value = connection.read("/a/b");
                        if (tries[0]++ == 0) {
                            try {
                                server.client().write("/a/b", "other");
                            } catch (XenError e) {
                                throw new IllegalStateException(e);
                            }
                        }
                        connection.write("/copy", value);
                    });
        }
        assertEquals(2, tries[0]);
        assertEquals("other", server.client().read("/copy"));
    }

    @Test
    void directoryThatChangesWhileItIsReadIsReadAgain() throws Exception {
        fill();
        Path path = folder.resolve("relay");
        AtomicInteger parts = new AtomicInteger();
        try (XenStoreClient other = server.client();
                RequestRelay relay =
                        RequestRelay.listen(
                                path,
                                sockets.resolve("socket"),
                                type -> {
                                    if (type == MessageType.DIRECTORY_PART
                                            && parts.incrementAndGet() == 2) {
                                        other.rm("/many/entry-0");
                                        other.write("/many/late", "");
                                    }
                                });
                StoreConnection store = StoreConnection.open(path)) {
            List<String> names = store.list("/many");
            assertEquals(other.list("/many"), names);
            assertEquals("late", names.getLast());
            assertTrue(parts.get() > 3, "parts: " + parts);
            assertFalse(relay.hasFailed());
        }
    }

    @Test
    void outputThatCannotBeWrittenIsAFailure() throws Exception {
        fill();
        assertEquals(1, exitWithAFullDisk("dump", "-"));
        assertEquals(1, exitWithAFullDisk("dump", "/dev/full"));
        assertEquals(1, exitWithAFullDisk("read", "/a/b"));
        assertEquals(1, exitWithAFullDisk("ls"));
    }

    /// The message names the file and does not blame the daemon.
    @Test
    void fileThatCannotBeReadOrWrittenIsNamedWithItsReason() throws Exception {
        assertEquals(
                "xen-emu: /nosuch/dump: no such file or directory\n",
                failure(ours("dump", "/nosuch/dump")));
        assertEquals(
                "xen-emu: " + folder + ": Is a directory\n",
                failure(ours("restore", folder.toString())));
    }

    @Test
    void dumpReplacesAFileAtOnce() throws Exception {
        fill();
        Path file = Files.writeString(folder.resolve("dump"), "older");
        Path link = Files.createSymbolicLink(folder.resolve("link"), file);
        Path hindrance = Files.createDirectories(folder.resolve("dump.new/in"));
        assertEquals(1, ourRun("dump", link.toString()).exit());
        assertEquals("older", Files.readString(file));
        Files.delete(hindrance);
        Files.delete(folder.resolve("dump.new"));
        assertEquals(0, ourRun("dump", link.toString()).exit());
        assertEquals(
                run(ours("dump", "-")).output(),
                Files.readString(file, StandardCharsets.ISO_8859_1));
        assertTrue(Files.isSymbolicLink(link));
        assertFalse(Files.exists(folder.resolve("dump.new")));
    }

    @Test
    void dumpIsRestoredElsewhere() throws Exception {
        fill();
        Path file = folder.resolve("dump");
        assertEquals(0, ourRun("dump", file.toString()).exit());
        String before = ourRun("ls", "-f", "-p").output();
        try (StoreConnection store = StoreConnection.open(sockets.resolve("socket"))) {
            for (String top : store.list("/")) {
                store.remove("/" + top);
            }
        }
        assertEquals("", ourRun("ls", "-f", "-p").output());
        assertEquals(0, ourRun("restore", file.toString()).exit());
        assertEquals(before, ourRun("ls", "-f", "-p").output());
        assertTrue(before.lines().count() > 600, before);

        Files.write(file, new byte[] {1, 2, 3});
        assertEquals(1, ourRun("restore", file.toString()).exit());
    }
}
