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
final class TracedGuest implements AutoCloseable {
    static final long ARGUMENT = TestDomain.ARGUMENT;

    private final TestDomain guest = new TestDomain(1);
    private final HypercallDispatcher dispatcher = guest.dispatcher();
    private final HypercallContext caller;
    private final TracePoints points = new TracePoints();

    /// @param longMode whether its vCPU is in 64-bit mode
    TracedGuest(boolean longMode) throws BootException, XenError {
        caller = guest.caller(0, longMode);
        points.add(TestDomain.ID);
        points.add(TestDomain.ID, dispatcher);
    }

    TracePoints points() {
        return points;
    }

    TestDomain guest() {
        return guest;
    }

    GuestMemory memory() {
        return guest.memory();
    }

    /// Begins a trace of all calls.
    HypercallTrace start() {
        return start(TraceFilter.all(HypercallTable.standard()));
    }

    HypercallTrace start(TraceFilter filter) {
        return Objects.requireNonNull(points.start(guest.domain(), filter));
    }

    long call(long number, long first, long second, long third) {
        caller.begin(number, 0);
        caller.setParameter(0, first);
        caller.setParameter(1, second);
        caller.setParameter(2, third);
        return dispatcher.dispatch(caller);
    }

    /// Ends a trace.
    ///
    /// @return all bytes of it
    static byte[] bytes(HypercallTrace trace) {
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
    static List<TracedCall> calls(HypercallTrace trace) throws IOException {
        return calls(new TraceReader(new ByteArrayInputStream(bytes(trace))));
    }

    /// The calls of a trace.
    static List<TracedCall> calls(TraceReader reader) throws IOException {
        List<TracedCall> calls = new ArrayList<>();
        for (TracedCall call = reader.next(); call != null; call = reader.next()) {
            calls.add(call);
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
