package io.xenemu.core.replay;

import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.hypercall.HypercallFuzz;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.trace.TraceReader;
import java.io.ByteArrayInputStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/// A trace of any calls is replayed without a difference, on a VM of another kind.
final class RandomTracePropertyTest {
    private static final int CALLS = 500;

    /// A domain's end may come early, and a third of the calls cannot be compared at most.
    private static final int FRACTION = 3;

    @Property(tries = 100)
    void traceOfAnyCallsIsReplayedWithoutADifference(@ForAll long seed) throws Exception {
        byte[] trace = new HypercallFuzz(seed).record(CALLS);

        ReplayReport report;
        try {
            report =
                    Replay.run(
                            HypercallTable.standard(),
                            new TraceReader(new ByteArrayInputStream(trace)));
        } catch (ReplayException e) {
            // A long batch does not fit into its record.
            assertTrue(String.valueOf(e.getMessage()).contains("not all memory of the call"));
            return;
        }

        assertNull(report.difference(), () -> String.join("\n", report.lines()));
        assertTrue(
                report.compared() * FRACTION >= report.calls() * (FRACTION - 1),
                () -> String.join("\n", report.lines()));
    }
}
