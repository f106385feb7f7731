package io.xenemu.core.trace;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.common.io.Resources;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallOp;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.kvm.abi.GuestWidth;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The text of a call of each served operation, with an argument of the bytes 0, 1, 2 and so on of which the call has
/// changed the last. The file `calls.txt` is never written by this test: a change of the text is a change of the file
/// by hand, and told to operators.
final class PrintedCallsTest {
    private static final long ARGUMENT = 0x8000;
    private static final int BYTES = 64;

    private static TracedCall call(HypercallOp row, GuestWidth width) {
        byte[] in = new byte[BYTES];
        for (int i = 0; i < BYTES; i++) {
            in[i] = (byte) i;
        }
        byte[] out = {(byte) 0xff};
        List<Long> parameters = new ArrayList<>();
        for (int i = 0; i < HypercallContext.PARAMETERS; i++) {
            parameters.add(ARGUMENT);
        }
        if (row.command() >= 0) {
            parameters.set(0, (long) row.command());
        }
        return new TracedCall(
                1,
                width,
                0,
                false,
                false,
                1_234_567,
                1_300_000,
                0,
                row.number(),
                parameters,
                0,
                List.of(
                        new TracedAccess(AccessKind.IN, ARGUMENT, ARGUMENT, in),
                        new TracedAccess(AccessKind.OUT, ARGUMENT, ARGUMENT, out)));
    }

    @Test
    void everyServedCallIsPrintedAsInTheFile() throws IOException {
        HypercallTable table = HypercallTable.standard();
        TraceText text = new TraceText(new CallDecoder(table));
        List<String> lines = new ArrayList<>();
        for (HypercallOp row : table.ops()) {
            if (row.isServed()) {
                for (GuestWidth width : GuestWidth.values()) {
                    lines.add(text.line(call(row, width)));
                }
            }
        }

        String golden =
                Resources.toString(
                        Resources.getResource(PrintedCallsTest.class, "calls.txt"), US_ASCII);
        assertEquals(golden, String.join("\n", lines) + "\n");
    }
}
