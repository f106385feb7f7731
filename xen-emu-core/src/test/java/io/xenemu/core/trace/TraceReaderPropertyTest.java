package io.xenemu.core.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/// Traces that are damaged, cut off or no traces at all.
final class TraceReaderPropertyTest {
    private static final byte[] TRACE = trace();
    private static final int CALLS = 5;

    private static byte[] trace() {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            for (int i = 0; i < CALLS; i++) {
                guest.call(32, i, TracedGuest.ARGUMENT, 0);
            }
            return TracedGuest.bytes(trace);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /// Reads and prints all there is.
    private static List<TracedCall> read(byte[] bytes) throws IOException {
        TraceText text = new TraceText(new CallDecoder(HypercallTable.standard()));
        List<TracedCall> calls =
                TracedGuest.calls(new TraceReader(new ByteArrayInputStream(bytes)));
        calls.forEach(call -> assertEquals(-1, text.line(call).indexOf('\n')));
        return calls;
    }

    @Property
    void anyBytesAreATraceOrAreRefused(@ForAll byte[] bytes) throws IOException {
        try {
            List<TracedCall> _ = read(bytes);
        } catch (WireException e) {
            assertTrue(String.valueOf(e.getMessage()).indexOf('\n') < 0);
        }
    }

    @Property
    void bytesAfterTheHeaderOfARecordAreARecordOrAreRefused(@ForAll byte[] bytes)
            throws IOException {
        byte[] record = Arrays.copyOf(bytes, RecordLayout.ACCESSES + bytes.length);
        System.arraycopy(bytes, 0, record, RecordLayout.ACCESSES, bytes.length);
        record[0] = (byte) record.length;
        record[1] = (byte) (record.length >>> Byte.SIZE);
        try {
            TracedRecord _ = TracedRecord.decode(new BodyReader(record));
        } catch (WireException e) {
            assertTrue(String.valueOf(e.getMessage()).indexOf('\n') < 0);
        }
    }

    @Property
    void changedByteIsNoticed(@ForAll @IntRange(max = 10_000) int at, @ForAll byte flip)
            throws IOException {
        byte[] bytes = TRACE.clone();
        bytes[at % bytes.length] ^= flip;
        try {
            assertEquals(CALLS, read(bytes).size());
            assertEquals(0, flip);
        } catch (WireException e) {
            assertTrue(flip != 0);
        }
    }

    @Property
    void traceThatIsCutOffHasAllCallsBeforeOrIsRefused(@ForAll @IntRange(max = 10_000) int length)
            throws IOException {
        byte[] bytes = Arrays.copyOf(TRACE, length % (TRACE.length + 1));
        try {
            int calls = read(bytes).size();
            assertTrue(calls == 0 || calls == CALLS);
        } catch (WireException e) {
            assertTrue(bytes.length < TRACE.length);
        }
    }
}
