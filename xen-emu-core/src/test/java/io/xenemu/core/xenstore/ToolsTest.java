package io.xenemu.core.xenstore;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.Tool;
import io.xenemu.core.cli.XenEmu;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.Domains;
import io.xenemu.xenstore.IntroducedRing;
import io.xenemu.xenstore.Quotas;
import io.xenemu.xenstore.StoreView;
import io.xenemu.xenstore.XenStoreClient;
import io.xenemu.xenstore.XenStoreMetrics;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.MessageType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Our commands beside Debian's tools (package xenstore-utils), on one store.
@Timeout(300)
final class ToolsTest {

    @TempDir private Path folder = Path.of("");

    private final XenStoreServer server =
            new XenStoreServer(
                    Quotas.DEFAULT,
                    new AnyDomain(),
                    new XenStoreMetrics(new SimpleMeterRegistry()),
                    Runnable::run);

    /// Owners of all ids may be given.
    private static final class AnyDomain implements Domains {
        @Override
        public boolean exists(DomId domain) {
            return true;
        }

        @Override
        public IntroducedRing ring(DomId domain, long gfn, int port) throws XenError {
            throw XenError.ENOENT;
        }

        @Override
        public void released(DomId domain) {}
    }

    @BeforeEach
    void listen() throws IOException {
        server.listen(folder.resolve("socket"));
    }

    @AfterEach
    void close() {
        server.close();
    }

    private record Result(int exit, String output) {}

    private Process start(List<String> command) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(Redirect.DISCARD);
        builder.environment().put("XENSTORED_PATH", folder.resolve("socket").toString());
        builder.environment().put("LC_ALL", "C.UTF-8");
        return builder.start();
    }

    private Result run(List<String> command) throws IOException, InterruptedException {
        Process process = start(command);
        process.getOutputStream().close();
        byte[] output = process.getInputStream().readAllBytes();
        return new Result(process.waitFor(), new String(output, StandardCharsets.ISO_8859_1));
    }

    private static List<String> ours(String tool, String... arguments) {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                ProcessHandle.current().info().command().orElseThrow(),
                                "-XX:TieredStopAtLevel=1",
                                "-cp",
                                System.getProperty("java.class.path"),
                                XenEmu.class.getName(),
                                "xenstore",
                                tool));
        command.addAll(List.of(arguments));
        return command;
    }

    private static List<String> debians(String tool, String... arguments) {
        List<String> command =
                new ArrayList<>(List.of(Tool.need("xenstore-" + tool, "xenstore-utils")));
        command.addAll(List.of(arguments));
        return command;
    }

    /// Both print the same and exit with the same code.
    private void assertSame(String tool, String... arguments) throws Exception {
        Result expected = run(debians(tool, arguments));
        assertEquals(expected, run(ours(tool, arguments)), tool + " " + List.of(arguments));
    }

    /// Both do the same to the store, and exit with the same code.
    private void assertSameEffect(String tool, String... arguments) throws Exception {
        fill();
        Result expected = run(debians(tool, arguments));
        String after = run(debians("ls", "-f", "-p")).output;
        fill();
        assertEquals(expected, run(ours(tool, arguments)), tool + " " + List.of(arguments));
        assertEquals(after, run(debians("ls", "-f", "-p")).output, tool + " " + List.of(arguments));
    }

    private void fill() throws XenError {
        StoreView store = server.client();
        for (String name : store.list("/")) {
            store.rm("/" + name);
        }
        store.write("/a", "");
        store.write("/a/b", "one");
        store.write("/a/b/c", "two");
        store.setPermissions("/a/b", Permissions.of("n5", "r3", "b7", "w2"));
        store.write("/long", "0123456789".repeat(10));
        store.write("/" + "name".repeat(25), "value");
        store.write("/deep" + "/x".repeat(40), "0123456789".repeat(3));
        store.write("/fits", "v".repeat(66));
        store.write("/cut", "v".repeat(70));
        store.writeBytes("/bytes", new byte[] {0, 1, 7, 8, 9, 10, 13, 31, '\\', '"', 127, -1, 'z'});
        store.writeBytes("/nuls", new byte[70]);
        store.write("/local/domain/0/name", "Domain-0");
        for (int i = 0; i < 600; i++) {
            store.write("/many/entry-" + i, "");
        }
    }

    @Test
    void lsPrintsWhatXensDoes() throws Exception {
        fill();
        assertSame("ls");
        assertSame("ls", "-p");
        assertSame("ls", "-f");
        assertSame("ls", "-fp", "/a", "/deep");
        assertSame("ls", "-s", "name");
        assertSame("ls", "/none");
    }

    @Test
    void readListAndExistsPrintWhatXensDo() throws Exception {
        fill();
        assertSame("read", "/a/b");
        assertSame("read", "-p", "/a/b", "/bytes", "name");
        assertSame("read", "-R", "/bytes");
        assertSame("read", "-p", "-R", "/a/b", "/a/b/c");
        assertSame("read", "/a/b", "/none", "/a/b/c");
        assertSame("list", "/a", "/many");
        assertSame("list", "-p", "/local/domain", "/a");
        // 4.17's tool prints two slashes here, later ones one.
        assertTrue(run(ours("list", "-p", "/")).output.startsWith("/a\n/long\n"));
        assertSame("list", "--prefix", "/a");
        assertSame("list", "/none");
        assertSame("exists", "/a", "/a/b");
        assertSame("exists", "/a", "/none");
    }

    @Test
    void wrongUseIsTheSameFailure() throws Exception {
        fill();
        assertSame("read");
        assertSame("write", "/a", "b", "/c");
        assertSame("chmod", "/a", "x0");
        assertSame("exists");
    }

    @Test
    void writeHasTheEffectOfXens() throws Exception {
        assertSameEffect("write", "/a/b", "new", "/new/node", "x", "relative", "y");
        assertSameEffect(
                "write", "/e", "tab\\t nl\\n cr\\r bs\\\\ hex\\x41\\xff oct\\101\\7 q\\q end\\");
        assertSameEffect("write", "-R", "/e", "tab\\t");
        assertSameEffect("write", "/utf", "gr\u00fc\u00df");
        assertSameEffect("write", "/empty", "");
        assertSameEffect("write", "/ok", "x", "/not//ok", "y");
    }

    @Test
    void rmHasTheEffectOfXens() throws Exception {
        assertSameEffect("rm", "/a/b", "/long");
        assertSameEffect("rm", "-t", "/deep" + "/x".repeat(40));
        assertSameEffect("rm", "--tidy", "/a/b/c");
        assertSameEffect("rm", "/none/at/all");
        assertSameEffect("rm", "/");
    }

    @Test
    void chmodHasTheEffectOfXens() throws Exception {
        assertSameEffect("chmod", "/a/b/c", "n3", "r4", "w5", "b6");
        assertSameEffect("chmod", "-u", "/a/b/c", "b1");
        assertSameEffect("chmod", "-r", "/a", "r2", "n");
        assertSameEffect("chmod", "/none", "n0");
    }

    @Test
    void watchPrintsWhatXensDoes() throws Exception {
        fill();
        List<String> seen = new ArrayList<>();
        for (List<String> command :
                List.of(
                        debians("watch", "-n", "4", "/a", "@releaseDomain"),
                        ours("watch", "-n", "4", "/a", "@releaseDomain"))) {
            Process watching = start(command);
            try (var lines = watching.inputReader()) {
                String first = lines.readLine() + " " + lines.readLine();
                server.client().write("/a/w", "1");
                String second = lines.readLine(); // or else the next might be the same event
                server.client().rm("/a/w");
                seen.add(first + " " + second + " " + lines.readLine());
                assertEquals(0, watching.waitFor());
            }
        }
        assertEquals("/a @releaseDomain /a/w /a/w", seen.get(0));
        assertEquals(seen.get(0), seen.get(1));
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
        try (StoreConnection store = StoreConnection.open(folder.resolve("socket"))) {
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
                                folder.resolve("socket"),
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

    private int exitWithAFullDisk(String tool, String... arguments) throws Exception {
        List<String> command =
                new ArrayList<>(List.of("/bin/sh", "-c", "exec \"$@\" >/dev/full", ""));
        command.addAll(ours(tool, arguments));
        return run(command).exit;
    }

    @Test
    void outputThatCannotBeWrittenIsAFailure() throws Exception {
        fill();
        assertEquals(1, exitWithAFullDisk("dump", "-"));
        assertEquals(1, exitWithAFullDisk("dump", "/dev/full"));
        assertEquals(1, exitWithAFullDisk("read", "/a/b"));
        assertEquals(1, exitWithAFullDisk("ls"));
    }

    /// The daemon is not blamed for it.
    @Test
    void fileThatCannotBeReadOrWrittenIsNamedWithItsReason() throws Exception {
        assertEquals(
                "xen-emu: /nosuch/dump: no such file or directory\n",
                failure(ours("dump", "/nosuch/dump")));
        assertEquals(
                "xen-emu: " + folder + ": Is a directory\n",
                failure(ours("restore", folder.toString())));
    }

    /// What a command that fails says.
    private String failure(List<String> command) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("XENSTORED_PATH", folder.resolve("socket").toString());
        Process process = builder.start();
        byte[] errors = process.getErrorStream().readAllBytes();
        assertEquals(1, process.waitFor());
        return new String(errors, StandardCharsets.UTF_8);
    }

    @Test
    void dumpReplacesAFileAtOnce() throws Exception {
        fill();
        Path file = Files.writeString(folder.resolve("dump"), "older");
        Path link = Files.createSymbolicLink(folder.resolve("link"), file);
        Path hindrance = Files.createDirectories(folder.resolve("dump.new/in"));
        assertEquals(1, run(ours("dump", link.toString())).exit);
        assertEquals("older", Files.readString(file));
        Files.delete(hindrance);
        Files.delete(folder.resolve("dump.new"));
        assertEquals(0, run(ours("dump", link.toString())).exit);
        assertEquals(
                run(ours("dump", "-")).output, Files.readString(file, StandardCharsets.ISO_8859_1));
        assertTrue(Files.isSymbolicLink(link));
        assertFalse(Files.exists(folder.resolve("dump.new")));
    }

    @Test
    void dumpIsRestoredElsewhere() throws Exception {
        fill();
        Path file = folder.resolve("dump");
        assertEquals(0, run(ours("dump", file.toString())).exit);
        String before = run(ours("ls", "-f", "-p")).output;
        try (StoreConnection store = StoreConnection.open(folder.resolve("socket"))) {
            for (String top : store.list("/")) {
                store.remove("/" + top);
            }
        }
        assertEquals("", run(ours("ls", "-f", "-p")).output);
        assertEquals(0, run(ours("restore", file.toString())).exit);
        assertEquals(before, run(ours("ls", "-f", "-p")).output);
        assertTrue(before.lines().count() > 600, before);

        Files.write(file, new byte[] {1, 2, 3});
        assertEquals(1, run(ours("restore", file.toString())).exit);
    }

    @Test
    void valuesAreShownAndReadBack() {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (int i = 0; i < 256; i++) {
            all.write(i);
        }
        String shown = ValueText.show(all.toByteArray());
        assertTrue(shown.chars().allMatch(c -> c >= ' ' && c <= '~'), shown);
        assertArrayEquals(all.toByteArray(), ValueText.parse(StoreConnection.latin(shown)));
    }
}
