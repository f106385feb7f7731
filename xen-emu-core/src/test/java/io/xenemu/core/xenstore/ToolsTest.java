package io.xenemu.core.xenstore;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.cli.ToolRunner.Result;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Our commands beside Debian's tools (package xenstore-utils), on one store.
@Timeout(300)
final class ToolsTest extends ToolsRig {
    /// Asserts that both have the same effect on the store, and exit with the same code.
    private void assertSameEffect(String tool, String... arguments) throws Exception {
        fill();
        Result expected = run(debians(tool, arguments));
        String after = run(debians("ls", "-f", "-p")).output();
        fill();
        assertEquals(expected, ourRun(tool, arguments), tool + " " + List.of(arguments));
        assertEquals(
                after, run(debians("ls", "-f", "-p")).output(), tool + " " + List.of(arguments));
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
        assertTrue(ourRun("list", "-p", "/").output().startsWith("/a\n/long\n"));
        assertSame("list", "--prefix", "/a");
        assertSame("list", "/none");
        assertSame("exists", "/a", "/a/b");
        assertSame("exists", "/a", "/none");
    }

    @Test
    void wrongUseFailsAsWithXens() throws Exception {
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
        assertSameEffect("write", "/empty", "");
        assertSameEffect("write", "/ok", "x", "/not//ok", "y");
    }

    /// The letters are passed in the encoding of the command line.
    @Test
    void lettersBeyondAsciiAreWrittenAsXensAre() throws Exception {
        List<byte[]> written = new ArrayList<>();
        for (List<String> command :
                List.of(
                        debians("write", "/utf", "gr\u00fc\u00df"),
                        ours("write", "/utf", "gr\u00fc\u00df"))) {
            fill();
            assertEquals(new Result(0, ""), run(command));
            written.add(server.client().readBytes("/utf"));
        }
        assertArrayEquals(written.get(0), written.get(1));
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
