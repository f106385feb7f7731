package io.xenemu.core.trace;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainConfigCodec;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/// The traced domain as the trace describes it: enough to name it, and to make a domain like it for a replay.
///
/// @param domain its id
/// @param config its configuration
/// @param begin when the trace began, by the clock of the day
/// @param params its HVM parameters at that time, by index
public record TraceHeader(DomId domain, DomainConfig config, Instant begin, List<Long> params) {
    public TraceHeader {
        params = List.copyOf(params);
    }

    /// The header for a domain as it is now.
    static TraceHeader of(Domain domain) {
        List<Long> params = new ArrayList<>();
        for (int i = 0; i < HvmParams.COUNT; i++) {
            params.add(domain.params().get(i));
        }
        return new TraceHeader(domain.id(), domain.config(), Instant.now(), params);
    }

    byte[] encode() {
        BodyWriter body = new BodyWriter().u16(domain.value()).u64(begin.toEpochMilli());
        DomainConfigCodec.put(body, config).u32(params.size());
        params.forEach(body::u64);
        return body.toBytes();
    }

    /// @param version of the trace
    static TraceHeader decode(int version, BodyReader body) throws WireException {
        try {
            DomId domain = new DomId(body.u16());
            Instant begin = Instant.ofEpochMilli(body.u64());
            DomainConfig config = DomainConfigCodec.get(version, body);
            int count = body.count(HvmParams.COUNT);
            List<Long> params = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                params.add(body.u64());
            }
            body.end();
            return new TraceHeader(domain, config, begin, params);
        } catch (IllegalArgumentException e) {
            throw new WireException("its domain cannot exist: " + e.getMessage(), e);
        }
    }
}
