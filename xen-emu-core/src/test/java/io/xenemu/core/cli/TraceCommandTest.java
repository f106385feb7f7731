package io.xenemu.core.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.replay.ChangedTrace;
import io.xenemu.core.trace.HypercallTrace;
import io.xenemu.core.trace.TracedGuest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// `trace` of files, and `replay`, as an operator uses them.
@Timeout(60)
final class TraceCommandTest {
    private static final int XEN_VERSION = 17;
    private static final int PAGESIZE = 7;

    @TempDir private Path folder = Path.of("");

    private static byte[] trace() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            guest.call(XEN_VERSION, PAGESIZE, 0, 0);
            return TracedGuest.bytes(trace);
        }
    }

    private String file(byte[] content) throws IOException {
        return Files.write(folder.resolve("trace"), content).toString();
    }

    @Test
    void recordedTraceIsPrinted() throws Exception {
        CapturedRun text = CapturedRun.of("trace", "-i", file(trace()));
        assertEquals(0, text.code());
        assertTrue(text.output().endsWith(" v0 xen_version(pagesize) = 4096\n"), text.output());
        assertTrue(text.complaints().startsWith("xen-emu: 1 records, 0 lost: "), text.complaints());

        CapturedRun json = CapturedRun.of("trace", "-i", file(trace()), "--json");
        assertTrue(json.output().contains("\"hypercall\": \"xen_version\""), json.output());
    }

    @Test
    void fileThatIsNoTraceIsRefusedInOneLine() throws Exception {
        String path = folder.resolve("trace").toString();
        byte[] whole = trace();
        assertEquals(
                new CapturedRun(1, "", "xen-emu: " + path + ": no such file or directory\n"),
                CapturedRun.of("trace", "-i", path));
        assertEquals(
                new CapturedRun(1, "", "xen-emu: " + path + ": nothing was recorded\n"),
                CapturedRun.of("trace", "-i", file(new byte[0])));
        assertEquals(
                new CapturedRun(1, "", "xen-emu: " + path + ": not a trace\n"),
                CapturedRun.of("trace", "-i", file("#!/bin/sh, or another text".getBytes(UTF_8))));
        assertEquals(
                new CapturedRun(1, "", "xen-emu: " + path + ": the trace is cut off\n"),
                CapturedRun.of("trace", "-i", file(Arrays.copyOf(whole, 30))));
    }

    @Test
    void wrongCombinationOfOptionsIsRefusedInOneLine() {
        for (String[] args :
                List.of(
                        new String[] {"trace"},
                        new String[] {"trace", "web", "-i", "file"},
                        new String[] {"trace", "-i", "file", "-o", "other"})) {
            CapturedRun result = CapturedRun.of(args);
            assertEquals(2, result.code());
            assertEquals(
                    "xen-emu: either DOMAIN, or --input without a filter or an output;"
                            + " see xen-emu trace --help",
                    result.complaints().lines().findFirst().orElse(""));
        }
    }

    @Test
    void traceOfNoRecordsIsRefusedInOneLine() throws Exception {
        String path = file(trace());
        for (String count : List.of("0", "-1")) {
            assertEquals(
                    new CapturedRun(
                            2,
                            "",
                            "xen-emu: --count: "
                                    + count
                                    + " is less than 1; see xen-emu trace --help\n"),
                    CapturedRun.of("trace", "-i", path, "-n", count));
        }
        assertEquals(0, CapturedRun.of("trace", "-i", path, "-n", "1").code());
    }

    @Test
    void serviceThatDoesNotRunIsOneLineAndLeavesNoFile() {
        Path output = folder.resolve("out");
        Path socket = folder.resolve("control");
        CapturedRun result =
                CapturedRun.of(
                        "trace", "--socket", socket.toString(), "web", "-o", output.toString());
        assertEquals(1, result.code());
        assertEquals(1, result.complaints().lines().count(), result.complaints());
        assertTrue(Files.notExists(output));
    }

    @Test
    void replayExitsLikeDiff() throws Exception {
        byte[] trace = trace();
        assertEquals(
                new CapturedRun(0, "1 calls, 1 compared\n", ""),
                CapturedRun.of("replay", file(trace)));

        CapturedRun different = CapturedRun.of("replay", file(ChangedTrace.result(trace, 0, 1)));
        assertEquals(1, different.code());
        assertEquals("", different.complaints());
        assertTrue(different.output().startsWith("line 1: the result differs\n"));

        String path = file(Arrays.copyOf(trace, trace.length / 2));
        assertEquals(
                new CapturedRun(2, "", "xen-emu: " + path + ": the trace is cut off\n"),
                CapturedRun.of("replay", path));
        String none = folder.resolve("none").toString();
        assertEquals(
                new CapturedRun(2, "", "xen-emu: " + none + ": no such file or directory\n"),
                CapturedRun.of("replay", none));
        assertEquals(2, CapturedRun.of("replay").code());
    }
}
