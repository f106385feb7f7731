package io.xenemu.core.trace;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/// A guest of one vCPU whose hypercalls can be traced.
public final class TracedGuest implements AutoCloseable {
    /// Where a call may have its argument.
    public static final long ARGUMENT = TestDomain.ARGUMENT;

    private final TestDomain guest = new TestDomain(1);
    private final HypercallDispatcher dispatcher = guest.dispatcher();
    private final HypercallContext caller;
    private final TracePoints points = new TracePoints();

    /// @param longMode whether its vCPU is in 64-bit mode
    public TracedGuest(boolean longMode) throws BootException, XenError {
        caller = guest.caller(0, longMode);
        points.add(guest.domain());
        points.add(TestDomain.ID, dispatcher);
    }

    /// The places where it is traced.
    public TracePoints points() {
        return points;
    }

    /// Its domain.
    public TestDomain guest() {
        return guest;
    }

    /// Its memory.
    public GuestMemory memory() {
        return guest.memory();
    }

    /// Begins a trace of all calls.
    public HypercallTrace start() {
        return start(TraceFilter.all(HypercallTable.standard()));
    }

    /// Begins a trace with the domain's state.
    public HypercallTrace start(TraceFilter filter) {
        return start(filter, TraceBeginning.ofHeld(guest.domain()));
    }

    /// Begins a trace of all calls.
    public HypercallTrace start(TraceBeginning beginning) {
        return start(TraceFilter.all(HypercallTable.standard()), beginning);
    }

    private HypercallTrace start(TraceFilter filter, TraceBeginning beginning) {
        return Objects.requireNonNull(points.start(guest.domain(), filter, beginning));
    }

    /// Makes a hypercall on vCPU 0.
    public long call(long number, long first, long second, long third) {
        caller.begin(number, 0);
        caller.setParameter(0, first);
        caller.setParameter(1, second);
        caller.setParameter(2, third);
        return dispatcher.dispatch(caller);
    }

    /// Ends a trace.
    ///
    /// @return all bytes of it
    public static byte[] bytes(HypercallTrace trace) {
        trace.close();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try {
            trace.writeTo(piece -> {
                byte[] content = new byte[piece.remaining()];
                piece.get(content);
                bytes.writeBytes(content);
            });
        } catch (IOException e) {
            throw new IllegalStateException("memory does not fail", e);
        }
        return bytes.toByteArray();
    }

    /// Ends a trace.
    ///
    /// @return its calls
    public static List<TracedCall> calls(HypercallTrace trace) throws IOException {
        return calls(new TraceReader(new ByteArrayInputStream(bytes(trace))));
    }

    /// The calls of a trace.
    static List<TracedCall> calls(TraceReader reader) throws IOException {
        List<TracedCall> calls = new ArrayList<>();
        for (TracedRecord record = reader.next(); record != null; record = reader.next()) {
            if (record instanceof TracedCall call) {
                calls.add(call);
            }
        }
        return calls;
    }

    /// Ends a trace.
    ///
    /// @return the lines that an operator reads, without the time
    static List<String> lines(HypercallTrace trace) throws IOException {
        TraceText text = new TraceText(new CallDecoder(HypercallTable.standard()));
        return calls(trace).stream().map(text::line).map(line -> line.substring(14)).toList();
    }

    @Override
    public void close() {
        guest.close();
    }
}
