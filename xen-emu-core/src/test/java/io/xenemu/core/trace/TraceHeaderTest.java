package io.xenemu.core.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.cpuid.CpuidOverrides;
import io.xenemu.core.cpuid.TscMode;
import io.xenemu.core.cpuid.Viridian;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.ioctl.XenCapability;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.Test;

final class TraceHeaderTest {
    private static final long MEMORY = 256L << 20;
    private static final int XEN_VERSION = 0x4_0013;

    private static TraceHeader header(long maxMemory, TraceHeader.Replay replay) {
        return header(maxMemory, CpuConfig.DEFAULT, replay);
    }

    private static TraceHeader header(long maxMemory, CpuConfig cpu, TraceHeader.Replay replay) {
        DomainConfig config =
                new DomainConfig(
                        "web",
                        new UUID(1, 2),
                        MEMORY,
                        maxMemory,
                        2,
                        XEN_VERSION,
                        new GrantLimits(32, 512, 1),
                        new EventChannelConfig(true, 100, true),
                        cpu);
        return new TraceHeader(
                new DomId(7), config, Instant.ofEpochMilli(1234), List.of(5L, 6L), replay);
    }

    private static TraceHeader.Replay without(int version) {
        return new TraceHeader.Replay(
                0,
                Set.of(),
                false,
                0,
                "a trace of version " + version + " has no state of its domain");
    }

    @Test
    void headerIsReadAsItWasWritten() throws WireException {
        CpuConfig cpu =
                new CpuConfig(
                        null,
                        CpuidOverrides.parse(List.of("host,sse3=0")),
                        TscMode.NATIVE,
                        Viridian.NONE,
                        false);
        TraceHeader header =
                header(
                        2 * MEMORY,
                        cpu,
                        new TraceHeader.Replay(
                                17, Set.of(XenCapability.RUNSTATE), true, 4711, "no state"));

        assertEquals(
                header, TraceHeader.decode(TraceFile.VERSION, new BodyReader(header.encode())));
    }

    /// A header as versions 1 and 2 wrote it: they differ in the sizes of memory.
    private static byte[] written(long... memory) {
        BodyWriter old = new BodyWriter().u16(7).u64(1234).string("web").u64(1).u64(2);
        for (long size : memory) {
            old.u64(size);
        }
        return old.u32(2)
                .u32(XEN_VERSION)
                .u32(32)
                .u32(512)
                .u32(1)
                .bool(true)
                .u32(100)
                .bool(true)
                .u32(2)
                .u64(5)
                .u64(6)
                .toBytes();
    }

    @Test
    void domainOfVersion1HasNoMoreMemoryThanAtFirst() throws WireException {
        byte[] old = written(MEMORY);

        assertEquals(header(MEMORY, without(1)), TraceHeader.decode(1, new BodyReader(old)));
    }

    @Test
    void domainOfVersion2SeesItsHostsProcessor() throws WireException {
        byte[] old = written(MEMORY, 2 * MEMORY);

        assertEquals(header(2 * MEMORY, without(2)), TraceHeader.decode(2, new BodyReader(old)));
    }
}
