package io.xenemu.core.trace;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// A recorded event that is no hypercall.
///
/// @param kind what has happened
/// @param vcpu index of the vCPU; -1 if it concerns none
/// @param time in ns since the trace began
/// @param lost events of this trace that were lost so far
/// @param numbers as each kind says
/// @param text the event in words
public record TracedEvent(
        TraceKind kind, int vcpu, long time, long lost, List<Long> numbers, String text)
        implements TracedRecord {
    /// The first number of [TraceKind#CHANGES] for a new maximum of memory; the second has the bytes.
    public static final long MAX_MEMORY = 1;

    /// The first number of [TraceKind#CHANGES] for a new target, which the domain owns without asking.
    public static final long MEMORY_TARGET = 2;

    public TracedEvent {
        numbers = List.copyOf(numbers);
    }

    /// Reads the rest of a record.
    ///
    /// @param end bytes that remain after it
    static TracedEvent decode(BodyReader body, int vcpu, int end) throws WireException {
        int _ = body.u8();
        long time = body.u64();
        long _ = body.u64();
        long lost = body.u64();
        long code = body.u64();
        TraceKind kind = TraceKind.of(code);
        if (kind == null) {
            throw new WireException("an event of kind " + Long.toUnsignedString(code));
        }
        List<Long> numbers = new ArrayList<>();
        for (int i = 0; i < HypercallContext.PARAMETERS; i++) {
            numbers.add(body.u64());
        }
        long _ = body.u64();
        byte[] text = new byte[body.remaining() - end];
        for (int i = 0; i < text.length; i++) {
            text[i] = (byte) body.u8();
        }
        return new TracedEvent(
                kind,
                vcpu == RecordLayout.NO_VCPU ? -1 : vcpu,
                time,
                lost,
                numbers,
                new String(text, UTF_8));
    }

    @Override
    public long begin() {
        return time;
    }

    @Override
    public long end() {
        return time;
    }

    /// A number of it.
    public long number(int i) {
        return numbers.get(i);
    }
}
