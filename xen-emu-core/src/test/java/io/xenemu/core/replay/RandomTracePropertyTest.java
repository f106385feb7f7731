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

    @Property(tries = 40)
    void traceOfAnyCallsIsReplayedWithoutADifference(@ForAll long seed) throws Exception {
        byte[] trace = new HypercallFuzz(seed).record(CALLS);

        ReplayReport report =
                Replay.run(
                        HypercallTable.standard(),
                        new TraceReader(new ByteArrayInputStream(trace)));

        assertNull(report.difference(), () -> String.join("\n", report.lines()));
        assertTrue(
                report.compared() * FRACTION >= report.calls() * (FRACTION - 1),
                () -> String.join("\n", report.lines()));
    }
}
