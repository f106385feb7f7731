package io.xenemu.evtchn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/// The bytes of a saved state. Golden files are of the version in their name and are never made again.
final class EventChannelsCodecPropertyTest {
    private static final VcpuId CPU1 = new VcpuId(1);

    private static final EventChannelsState STATE =
            new EventChannelsState(
                    new DomId(7),
                    2,
                    128,
                    List.of(
                            port(
                                    1,
                                    new EvtchnStatus.Interdomain(
                                            CPU1, DomId.DOM0, EvtchnPort.of(70000))),
                            port(2, new EvtchnStatus.Unbound(new VcpuId(0), new DomId(0x7fef))),
                            port(3, new EvtchnStatus.VirqBound(CPU1, Virq.TIMER)),
                            port(100, new EvtchnStatus.Ipi(CPU1))));

    private static EventChannelsState.Port port(int number, EvtchnStatus status) {
        return new EventChannelsState.Port(number, status);
    }

    private static byte[] golden(String name) throws IOException {
        try (InputStream in = EventChannelsCodecPropertyTest.class.getResourceAsStream(name)) {
            String text =
                    new String(
                            Objects.requireNonNull(in).readAllBytes(), StandardCharsets.US_ASCII);
            return HexFormat.of().parseHex(text.replaceAll("\\s", ""));
        }
    }

    @Test
    void version1IsReadAsItWasWritten() throws IOException {
        byte[] bytes = golden("event-channels-v1.hex");
        BodyReader body = new BodyReader(bytes);
        assertEquals(STATE, EventChannelsCodec.decode(1, body));
        assertEquals(0, body.remaining());
    }

    @Test
    void theCurrentVersionIsWrittenAsInItsGoldenFile() throws IOException {
        HexFormat hex = HexFormat.of();
        assertEquals(
                hex.formatHex(golden("event-channels-v1.hex")),
                hex.formatHex(EventChannelsCodec.encode(STATE).toBytes()));
    }

    @Test
    void otherVersionsAndValuesOutOfRangeAreRefused() {
        assertRefused(2, EventChannelsCodec.encode(STATE));
        assertRefused(1, header().u32(ServicePorts.LIMIT + 1));
        assertRefused(1, header().u32(1).u32(1).u8(3).u32(0));
        assertRefused(1, header().u32(1).u32(1).u8(4).u32(0).u8(24));
        assertRefused(1, header().u32(1).u32(1).u8(5).u32(-1));
    }

    private static BodyWriter header() {
        return new BodyWriter().u16(1).u32(1).u32(64);
    }

    private static void assertRefused(int version, BodyWriter body) {
        assertThrows(
                WireException.class,
                () -> EventChannelsCodec.decode(version, new BodyReader(body.toBytes())));
    }

    @Property
    void arbitraryBytesAreAStateOrRefused(@ForAll byte[] bytes) {
        try {
            EventChannelsState state = EventChannelsCodec.decode(1, new BodyReader(bytes));
            assertEquals(
                    state,
                    EventChannelsCodec.decode(
                            1, new BodyReader(EventChannelsCodec.encode(state).toBytes())));
        } catch (WireException e) {
            assertEquals(WireException.class, e.getClass());
        }
    }
}
