package io.xenemu.core.trace;

import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;

/// One record of a trace.
public sealed interface TracedRecord permits TracedCall, TracedEvent {
    /// Index of the vCPU; -1 if it concerns none.
    int vcpu();

    /// When it began, in ns since the trace began.
    long begin();

    /// When it ended, likewise.
    long end();

    /// Records of the same source that were lost so far.
    long lost();

    /// Reads the next record.
    static TracedRecord decode(BodyReader body) throws WireException {
        int before = body.remaining();
        int length = body.u32();
        if (length < RecordLayout.ACCESSES || length > before || length > RecordLayout.MAX_BYTES) {
            throw new WireException("a record of " + Integer.toUnsignedString(length) + " bytes");
        }
        int end = before - length;
        int vcpu = body.u16();
        int flags = body.u8();
        return (flags & RecordLayout.EVENT) == 0
                ? TracedCall.decode(body, vcpu, flags, end)
                : TracedEvent.decode(body, vcpu, end);
    }
}
