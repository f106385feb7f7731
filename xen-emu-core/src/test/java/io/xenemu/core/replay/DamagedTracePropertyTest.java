package io.xenemu.core.replay;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.control.TraceJson;
import io.xenemu.core.hypercall.HypercallFuzz;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.trace.CallDecoder;
import io.xenemu.core.trace.TraceReader;
import io.xenemu.core.trace.TraceText;
import io.xenemu.core.trace.TracedRecord;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/// A trace with changed numbers and right checksums is replayed, or refused with a reason. It never fails otherwise.
final class DamagedTracePropertyTest {
    private static final int CALLS = 40;

    @Property(tries = 400)
    void traceWithChangedNumbersIsReplayedOrRefused(@ForAll long seed) throws Exception {
        byte[] trace =
                ChangedTrace.anywhere(new HypercallFuzz(seed).record(CALLS), new Random(seed));
        try {
            assertTrue(
                    Replay.run(
                                            HypercallTable.standard(),
                                            new TraceReader(new ByteArrayInputStream(trace)))
                                    .calls()
                            >= 0);
        } catch (ReplayException | IOException e) {
            assertTrue(e.getMessage() != null);
        }
    }

    @Property(tries = 200)
    void traceWithChangedNumbersIsPrintedOrRefused(@ForAll long seed) throws Exception {
        byte[] trace =
                ChangedTrace.anywhere(new HypercallFuzz(seed).record(CALLS), new Random(seed));
        CallDecoder decoder = new CallDecoder(HypercallTable.standard());
        TraceText text = new TraceText(decoder);
        TraceJson json = new TraceJson(decoder);
        try {
            TraceReader reader = new TraceReader(new ByteArrayInputStream(trace));
            for (TracedRecord next = reader.next(); next != null; next = reader.next()) {
                assertEquals(1, text.line(next).lines().count());
                assertEquals(1, json.line(next).lines().count());
            }
        } catch (IOException e) {
            assertTrue(e.getMessage() != null);
        }
    }
}
