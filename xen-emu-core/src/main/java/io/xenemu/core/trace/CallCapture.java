package io.xenemu.core.trace;

import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Records the calls of one dispatcher as a trace does, for their own thread.
public final class CallCapture {
    /// Takes the longest multicall that a record shows, whose calls have a record each.
    private static final int RING = 1 << 20;

    private final VcpuRecorder recorder;

    /// Records the calls of a dispatcher from now on.
    public CallCapture(HypercallTable table, HypercallDispatcher dispatcher) {
        recorder = new VcpuRecorder(TraceFilter.all(table), System.nanoTime(), new CallRing(RING));
        dispatcher.observe(recorder);
    }

    /// The calls since this was last asked, in the order of their ends.
    public List<TracedCall> take() {
        CallRing ring = recorder.ring();
        ByteBuffer bytes =
                ByteBuffer.allocate(RecordLayout.MAX_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        List<TracedCall> calls = new ArrayList<>();
        while (ring.hasNext()) {
            ring.take(bytes.clear());
            byte[] record = Arrays.copyOf(bytes.array(), bytes.position());
            try {
                if (TracedRecord.decode(new BodyReader(record)) instanceof TracedCall call) {
                    calls.add(call);
                }
            } catch (WireException e) {
                throw new IllegalStateException("a record cannot be read", e);
            }
        }
        return calls;
    }
}
