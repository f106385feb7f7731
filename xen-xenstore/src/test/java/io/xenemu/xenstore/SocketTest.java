package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The socket as host tools see it. Tests named `tool…` need Debian's package xenstore-utils.
class SocketTest {
    private static final Path TOOLS = Path.of("/usr/bin");

    @TempDir
    @SuppressWarnings("NullAway.Init")
    Path directory;

    private final Rig rig = new Rig();

    @SuppressWarnings("NullAway.Init")
    private SocketTransport socket;

    @BeforeEach
    void listen() throws IOException {
        socket = rig.server.listen(directory.resolve("xs"));
    }

    @AfterEach
    void close() {
        rig.close();
    }

    private record Result(int exit, String output) {}

    private Process start(String tool, String... arguments) throws IOException {
        assumeTrue(
                Files.isExecutable(TOOLS.resolve(tool)),
                tool + " is not installed (package xenstore-utils)");
        List<String> command = new ArrayList<>(List.of(TOOLS.resolve(tool).toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("XENSTORED_PATH", socket.path().toString());
        return builder.start();
    }

    private Result run(String tool, String... arguments) throws Exception {
        Process process = start(tool, arguments);
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Result(process.waitFor(), output);
    }

    @Test
    void toolsWriteReadListAndRemove() throws Exception {
        assertEquals(new Result(0, ""), run("xenstore-write", "/a/b", "one", "/a/c", "two"));
        assertEquals(new Result(0, "one\ntwo\n"), run("xenstore-read", "/a/b", "/a/c"));
        assertEquals(new Result(0, "b\nc\n"), run("xenstore-list", "/a"));
        assertEquals(0, run("xenstore-exists", "/a/b").exit);
        assertNotEquals(0, run("xenstore-exists", "/a/x").exit);
        assertEquals(0, run("xenstore-rm", "/a/b").exit);
        assertEquals(new Result(0, "c\n"), run("xenstore-list", "/a"));
        Result missing = run("xenstore-read", "/a/b");
        assertNotEquals(0, missing.exit);
        assertTrue(missing.output.contains("couldn't read path /a/b"), missing.output);
    }

    @Test
    void toolListsTheTreeWithPermissions() throws Exception {
        run("xenstore-write", "/a/b", "one");
        assertEquals(0, run("xenstore-chmod", "/a/b", "n0", "r0").exit);
        Result all = run("xenstore-ls", "-f", "-p");
        assertEquals(0, all.exit);
        assertTrue(
                all.output.matches("(?s)/a = \"\" +\\(n0\\)\n/a/b = \"one\" +\\(n0,r0\\)\n"),
                all.output);
    }

    @Test
    void toolListsADirectoryThatNeedsSeveralParts() throws Exception {
        XenStoreClient client = rig.server.client();
        StringBuilder expected = new StringBuilder();
        for (int i = 0; i < 1000; i++) {
            client.write("/many/entry-" + i, "");
            expected.append("entry-").append(i).append('\n');
        }
        assertEquals(new Result(0, expected.toString()), run("xenstore-list", "/many"));
    }

    @Test
    void toolSeesWatchEvents() throws Exception {
        Process watch = start("xenstore-watch", "-n", "3", "/watched");
        try (BufferedReader lines =
                new BufferedReader(
                        new InputStreamReader(watch.getInputStream(), StandardCharsets.UTF_8))) {
            assertEquals("/watched", lines.readLine());
            rig.server.client().write("/watched/x", "1");
            assertEquals("/watched/x", lines.readLine());
            rig.server.client().rm("/watched");
            assertEquals("/watched", lines.readLine());
            assertEquals(0, watch.waitFor());
        }
    }

    @Test
    void socketIsForItsOwnerOnlyAndGoesAwayOnClose() throws Exception {
        assertEquals(
                "rw-------",
                PosixFilePermissions.toString(Files.getPosixFilePermissions(socket.path())));
        socket.close();
        assertFalse(Files.exists(socket.path()));
    }

    @Test
    void secondServerOnTheSamePathIsRefused() {
        try (Rig other = new Rig()) {
            IOException refused =
                    assertThrows(IOException.class, () -> other.server.listen(socket.path()));
            assertEquals("XenStore socket is in use: " + socket.path(), refused.getMessage());
        }
        assertTrue(Files.exists(socket.path()));
    }

    @Test
    void leftoverSocketIsReplaced() throws Exception {
        Path path = directory.resolve("leftover");
        try (ServerSocketChannel dead = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            dead.bind(UnixDomainSocketAddress.of(path));
        }
        assertTrue(Files.exists(path));
        try (Rig other = new Rig()) {
            assertEquals(path, other.server.listen(path).path());
        }
        assertFalse(Files.exists(path));
    }
}
