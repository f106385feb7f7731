package io.xenemu.core.timer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.domain.DomainConfig;
import io.xenemu.kvm.testing.GoldenFile;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.util.HexFormat;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

/// The bytes of the timers' saved state. The golden file is of the version in its name and is never made again.
final class VcpuTimersCodecPropertyTest {
    private static final List<VcpuTimer.State> STATE =
            List.of(
                    new VcpuTimer.State(0, 0),
                    new VcpuTimer.State(3_600_000_000_000L, VcpuTimer.MIN_PERIOD_NANOS),
                    new VcpuTimer.State(Long.MAX_VALUE, VcpuTimer.MAX_PERIOD_NANOS));

    private static byte[] golden() throws IOException {
        return GoldenFile.bytes(VcpuTimersCodecPropertyTest.class, "vcpu-timers-v1.hex");
    }

    @Test
    void version1IsReadAsItWasWritten() throws IOException {
        BodyReader body = new BodyReader(golden());
        assertEquals(STATE, VcpuTimersCodec.decode(1, body));
        assertEquals(0, body.remaining());
    }

    @Test
    void theCurrentVersionIsWrittenAsInItsGoldenFile() throws IOException {
        HexFormat hex = HexFormat.of();
        assertEquals(
                hex.formatHex(golden()), hex.formatHex(VcpuTimersCodec.encode(STATE).toBytes()));
    }

    @Test
    void otherVersionsAndValuesOutOfRangeAreRefused() {
        assertRefused(2, VcpuTimersCodec.encode(STATE));
        assertRefused(1, new BodyWriter().u32(DomainConfig.MAX_VCPUS + 1));
        assertRefused(1, new BodyWriter().u32(1).u64(0).u64(VcpuTimer.MIN_PERIOD_NANOS - 1));
        assertRefused(1, new BodyWriter().u32(1).u64(0).u64(-1));
        assertRefused(1, new BodyWriter().u32(1).u64(0));
    }

    private static void assertRefused(int version, BodyWriter body) {
        assertThrows(
                WireException.class,
                () -> VcpuTimersCodec.decode(version, new BodyReader(body.toBytes())));
    }

    @Property
    void writtenStateIsReadBack(
            @ForAll @Size(max = DomainConfig.MAX_VCPUS) List<Long> deadlines,
            @ForAll @LongRange(min = VcpuTimer.MIN_PERIOD_NANOS, max = VcpuTimer.MAX_PERIOD_NANOS)
                    long period)
            throws WireException {
        List<VcpuTimer.State> timers =
                deadlines.stream().map(deadline -> new VcpuTimer.State(deadline, period)).toList();
        assertEquals(
                timers,
                VcpuTimersCodec.decode(
                        1, new BodyReader(VcpuTimersCodec.encode(timers).toBytes())));
    }
}
