package io.xenemu.core.trace;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainConfigCodec;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.ioctl.XenCapability;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/// The traced domain as the trace describes it: enough to name it, and to make a domain like it for a replay.
///
/// @param domain its id
/// @param config its configuration
/// @param begin when the trace began, by the clock of the day
/// @param params its HVM parameters at that time, by index
/// @param replay further facts for a replay
public record TraceHeader(
        DomId domain, DomainConfig config, Instant begin, List<Long> params, Replay replay) {
    /// Facts that a replay needs, since version 3.
    ///
    /// @param clock of the VM when the trace began, in ns
    /// @param capabilities of KVM
    /// @param isFiltered whether only some calls are recorded
    /// @param stateBytes the length of the domain's state, which follows; 0 if there is none
    /// @param obstacle why there is none, for an operator
    public record Replay(
            long clock,
            Set<XenCapability> capabilities,
            boolean isFiltered,
            int stateBytes,
            String obstacle) {
        public Replay {
            capabilities = Set.copyOf(capabilities);
        }

        private static Replay before(int version) {
            return new Replay(
                    0,
                    Set.of(),
                    false,
                    0,
                    "a trace of version " + version + " has no state of its domain");
        }
    }

    public TraceHeader {
        params = List.copyOf(params);
    }

    /// The header for a domain as it is now.
    static TraceHeader of(Domain domain, TraceFilter filter, TraceBeginning beginning) {
        List<Long> params = new ArrayList<>();
        for (int i = 0; i < HvmParams.COUNT; i++) {
            params.add(domain.params().get(i));
        }
        Replay replay =
                new Replay(
                        domain.vm().clock(),
                        domain.capabilities(),
                        !filter.takesAllCalls(),
                        beginning.state().frames().length,
                        beginning.obstacle());
        return new TraceHeader(domain.id(), domain.config(), Instant.now(), params, replay);
    }

    byte[] encode() {
        BodyWriter body = new BodyWriter().u16(domain.value()).u64(begin.toEpochMilli());
        DomainConfigCodec.put(body, config).u32(params.size());
        params.forEach(body::u64);
        return body.u64(replay.clock())
                .u32(XenCapability.encode(replay.capabilities()))
                .bool(replay.isFiltered())
                .u32(replay.stateBytes())
                .string(replay.obstacle())
                .toBytes();
    }

    /// @param version of the trace
    static TraceHeader decode(int version, BodyReader body) throws WireException {
        try {
            DomId domain = new DomId(body.u16());
            Instant begin = Instant.ofEpochMilli(body.u64());
            DomainConfig config = DomainConfigCodec.get(configVersion(version), body);
            int count = body.count(HvmParams.COUNT);
            List<Long> params = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                params.add(body.u64());
            }
            Replay replay = version < 3 ? Replay.before(version) : replay(body);
            body.end();
            return new TraceHeader(domain, config, begin, params, replay);
        } catch (IllegalArgumentException e) {
            throw new WireException("its domain cannot exist: " + e.getMessage(), e);
        }
    }

    /// The layout of the domain's configuration in a version of traces.
    private static int configVersion(int version) {
        return switch (version) {
            case 1 -> 1;
            case 2, 3 -> 2;
            default -> DomainConfigCodec.VERSION;
        };
    }

    private static Replay replay(BodyReader body) throws WireException {
        return new Replay(
                body.u64(),
                XenCapability.decode(body.u32()),
                body.bool(),
                body.count(TraceFile.MAX_STATE),
                body.string(TraceFile.MAX_REASON));
    }
}
