package io.xenemu.core.replay;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import com.google.common.io.Resources;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.trace.TraceReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.List;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Traces of guests that were recorded once: Debian's Linux 6.12 with two vCPUs, from its first hypercall to its
/// reboot; Xen 4.17's shim with two vCPUs and Linux 6.12 in it, for the first 200 seconds; and [FreebsdOrder]. Their
/// files are never made anew from what a module answers now: a difference is a change that such a guest sees.
final class KeptTracesTest {
    private static ReplayReport replay(InputStream trace) throws Exception {
        return Replay.run(HypercallTable.standard(), new TraceReader(trace));
    }

    private static InputStream open(String name) throws IOException {
        return new GZIPInputStream(Resources.getResource(KeptTracesTest.class, name).openStream());
    }

    /// @param compared the calls whose results are compared; fewer would be a replay that shows less
    @ParameterizedTest
    @CsvSource({
        "freebsd-order.trace.gz, 107",
        "linux-6.12.trace.gz, 140",
        "xen-shim-4.17.trace.gz, 538"
    })
    void keptTraceHasTheSameResults(String name, long compared) throws Exception {
        try (InputStream trace = open(name)) {
            ReplayReport report = replay(trace);

            assertNull(report.difference(), () -> String.join("\n", report.lines()));
            assertEquals(compared, report.compared(), () -> String.join("\n", report.lines()));
        }
    }

    @Test
    void freebsdsOrderHasXensResults() throws Exception {
        ByteArrayOutputStream trace = new ByteArrayOutputStream();
        try (FreebsdOrder order = new FreebsdOrder()) {
            order.record(trace);
        }
        List<String> lines = replay(new ByteArrayInputStream(trace.toByteArray())).lines();

        assertEquals(
                List.of("107 calls, 107 compared"), lines, () -> Arrays.toString(lines.toArray()));
    }
}
