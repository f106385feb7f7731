package io.xenemu.core.machine;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.domain.RunningGuest;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.trace.CallDecoder;
import io.xenemu.core.trace.HypercallTrace;
import io.xenemu.core.trace.TraceBeginning;
import io.xenemu.core.trace.TraceFilter;
import io.xenemu.core.trace.TracePoints;
import io.xenemu.core.trace.TraceReader;
import io.xenemu.core.trace.TraceText;
import io.xenemu.core.trace.TracedRecord;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.testing.Eventually;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.channels.Channels;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Exits of a guest that runs, in a trace. Needs /dev/kvm.
@Timeout(60)
final class ObservedExitsTest {
    private static final int PORT = 0x80;

    private static final long RESULT = 0x9000;

    /// mov al, 7; out 80, al; mov eax from f0000000; mov eax to 9000; jmp to itself
    private static final int[] CODE = {
        0xb0, 7, 0xe6, PORT, 0xa1, 0x00, 0x00, 0x00, 0xf0, 0xa3, 0x00, 0x90, 0x00, 0x00, 0xeb, 0xfe
    };

    private static List<String> lines(HypercallTrace trace) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        trace.close();
        trace.writeTo(Channels.newChannel(bytes)::write);
        TraceReader reader = new TraceReader(new ByteArrayInputStream(bytes.toByteArray()));
        TraceText text = new TraceText(new CallDecoder(HypercallTable.standard()));
        List<String> lines = new ArrayList<>();
        for (TracedRecord record = reader.next(); record != null; record = reader.next()) {
            lines.add(text.line(record).strip());
        }
        return lines;
    }

    @Test
    void exitsOfARunningGuestAreTraced() throws Exception {
        TracePoints points = new TracePoints();
        try (RunningGuest guest = new RunningGuest(1, CODE)) {
            points.add(guest.domain());
            HypercallTrace trace =
                    Objects.requireNonNull(
                            points.start(
                                    guest.domain(),
                                    TraceFilter.of(HypercallTable.standard(), "exits"),
                                    TraceBeginning.ofHeld(guest.domain())));
            GuestMemory memory = guest.domain().memory().guest();
            guest.domain().start();
            Eventually.holds("it has read an empty bus", () -> memory.read32(RESULT) == -1);

            String all = String.join("\n", lines(trace));
            assertTrue(all.contains("v0 exits: IO write 0x80, 1 bytes"), all);
            assertTrue(all.contains("v0 exits: MMIO read 0xf0000000, 4 bytes"), all);
        }
    }
}
