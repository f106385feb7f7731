package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.xenstore.client.XenStoreClient;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/// Debian's tools (package xenstore-utils) on the socket.
final class SocketToolsTest extends SocketRig {
    private record Result(int exit, String output) {}

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
}
