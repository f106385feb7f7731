package io.xenemu.core.timer;

import io.xenemu.core.boot.AcpiTables;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// The timers of a domain's vCPUs, a [VcpuTimer.State] each, as the body of a frame of saved state.
///
/// Version 1: vcpus u32, then for each in the order of their numbers deadline u64 and period u64.
public final class VcpuTimersCodec {
    /// The frame type: "TIMR".
    public static final int TYPE = 0x524d4954;

    /// The version that [#encode] writes.
    public static final int VERSION = 1;

    private VcpuTimersCodec() {}

    /// Writes a body of version [#VERSION].
    ///
    /// @param timers by vCPU, from 0 on
    public static BodyWriter encode(List<VcpuTimer.State> timers) {
        BodyWriter body = new BodyWriter().u32(timers.size());
        for (VcpuTimer.State timer : timers) {
            body.u64(timer.deadline()).u64(timer.period());
        }
        return body;
    }

    /// Reads a body of any version so far.
    ///
    /// @throws WireException if the version is unknown or a value out of range
    public static List<VcpuTimer.State> decode(int version, BodyReader body) throws WireException {
        if (version != VERSION) {
            throw WireException.unknownVersion("vCPU timers", version);
        }
        List<VcpuTimer.State> timers = new ArrayList<>();
        for (int left = body.count(AcpiTables.MAX_VCPUS); left > 0; left--) {
            timers.add(new VcpuTimer.State(body.u64(), period(body.u64())));
        }
        return List.copyOf(timers);
    }

    /// Checks a period. A shorter one would keep a thread busy.
    private static long period(long nanos) throws WireException {
        boolean possible =
                nanos >= VcpuTimer.MIN_PERIOD_NANOS && nanos <= VcpuTimer.MAX_PERIOD_NANOS;
        if (nanos != 0 && !possible) {
            throw new WireException("period of a vCPU's timer out of range: " + nanos + " ns");
        }
        return nanos;
    }
}
