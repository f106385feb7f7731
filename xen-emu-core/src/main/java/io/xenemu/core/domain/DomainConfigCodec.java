package io.xenemu.core.domain;

import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.cpuid.CpuConfigCodec;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.UUID;

/// A domain's configuration as saved states and traces have it.
public final class DomainConfigCodec {
    /// The version of the layout that [#put] writes. Version 1 had no maximum of memory, version 2 no processor.
    public static final int VERSION = 3;

    private DomainConfigCodec() {}

    /// Adds a configuration to a body.
    public static BodyWriter put(BodyWriter body, DomainConfig config) {
        GrantLimits grants = config.grants();
        EventChannelConfig events = config.events();
        body.string(config.name())
                .u64(config.uuid().getMostSignificantBits())
                .u64(config.uuid().getLeastSignificantBits())
                .u64(config.memoryBytes())
                .u64(config.maxMemoryBytes())
                .u32(config.vcpus())
                .u32(config.xenVersion())
                .u32(grants.maxGrantFrames())
                .u32(grants.maxMaptrackFrames())
                .u32(grants.maxGrantVersion())
                .bool(events.fifo())
                .u32(events.maxEventChannels())
                .bool(events.hvmPirqs());
        return CpuConfigCodec.put(body, config.cpu());
    }

    /// Reads a configuration.
    ///
    /// @param version of its layout, 1 to [#VERSION]
    /// @throws WireException if the body ends too early, or a number is out of range
    /// @throws IllegalArgumentException if no domain can have this configuration
    public static DomainConfig get(int version, BodyReader body) throws WireException {
        String name = body.string(DomainConfig.MAX_NAME_BYTES);
        UUID uuid = new UUID(body.u64(), body.u64());
        long memory = body.u64();
        // Before version 2, no domain saw more than it had.
        long maxMemory = version < 2 ? memory : body.u64();
        return new DomainConfig(
                name,
                uuid,
                memory,
                maxMemory,
                body.count(DomainConfig.MAX_VCPUS),
                body.u32(),
                new GrantLimits(body.u32(), body.u32(), body.u32()),
                new EventChannelConfig(body.bool(), body.u32(), body.bool()),
                version < 3 ? CpuConfig.DEFAULT : CpuConfigCodec.get(body));
    }
}
