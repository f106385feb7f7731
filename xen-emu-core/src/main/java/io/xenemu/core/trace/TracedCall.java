package io.xenemu.core.trace;

import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// One recorded hypercall.
///
/// @param vcpu index of the vCPU
/// @param width the caller's mode
/// @param cpl the caller's privilege level
/// @param isCut whether some accesses are not in the record
/// @param isWithin whether it is a call of a multicall, whose own record follows
/// @param begin in ns since the trace began
/// @param end likewise
/// @param lost calls of this vCPU that were lost so far
/// @param number of the hypercall
/// @param parameters the registers
/// @param result zero or positive, or a negated errno
/// @param accesses its accesses to guest memory, in order
public record TracedCall(
        int vcpu,
        GuestWidth width,
        int cpl,
        boolean isCut,
        boolean isWithin,
        long begin,
        long end,
        long lost,
        long number,
        List<Long> parameters,
        long result,
        List<TracedAccess> accesses)
        implements TracedRecord {
    public TracedCall {
        parameters = List.copyOf(parameters);
        accesses = List.copyOf(accesses);
    }

    /// Reads the rest of a record.
    ///
    /// @param last bytes that remain after it
    static TracedCall decode(BodyReader body, int vcpu, int flags, int last) throws WireException {
        int cpl = body.u8();
        long begin = body.u64();
        long end = body.u64();
        long lost = body.u64();
        long number = body.u64();
        List<Long> parameters = new ArrayList<>();
        for (int i = 0; i < HypercallContext.PARAMETERS; i++) {
            parameters.add(body.u64());
        }
        long result = body.u64();
        List<TracedAccess> accesses = new ArrayList<>();
        while (body.remaining() > last) {
            accesses.add(access(body, body.remaining() - last));
        }
        return new TracedCall(
                vcpu,
                (flags & RecordLayout.NARROW) != 0 ? GuestWidth.BITS_32 : GuestWidth.BITS_64,
                cpl,
                (flags & RecordLayout.CUT) != 0,
                (flags & RecordLayout.WITHIN) != 0,
                begin,
                end,
                lost,
                number,
                parameters,
                result,
                accesses);
    }

    private static TracedAccess access(BodyReader body, int left) throws WireException {
        if (left < RecordLayout.ACCESS_HEADER) {
            throw new WireException("an access outside its record");
        }
        int code = body.u8();
        AccessKind kind = AccessKind.of(code);
        int length = body.u16();
        if (kind == null || length > left - RecordLayout.ACCESS_HEADER) {
            throw new WireException("an access of kind " + code + " and " + length + " bytes");
        }
        long linear = body.u64();
        long physical = body.u64();
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = (byte) body.u8();
        }
        return new TracedAccess(kind, linear, physical, bytes);
    }

    /// A parameter register.
    public long word(int i) {
        return parameters.get(i);
    }
}
