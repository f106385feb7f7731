package io.xenemu.evtchn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.testing.GoldenFile;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.util.HexFormat;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/// The bytes of a saved state. Golden files are of the version in their name and are never made again.
final class EventChannelsCodecPropertyTest {
    private static final VcpuId CPU1 = new VcpuId(1);

    private static final EventChannelsStateV1 STATE_V1 =
            new EventChannelsStateV1(
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

    private static final EventChannelsState STATE =
            new EventChannelsState(
                    new DomId(9),
                    2,
                    2048,
                    List.of(
                            port(2, new EvtchnStatus.Unbound(CPU1, DomId.DOM0)),
                            port(3, new EvtchnStatus.PirqBound(CPU1, new Pirq(255))),
                            port(5, new EvtchnStatus.Ipi(CPU1))),
                    new PirqsState(
                            List.of(
                                    new PirqsState.Source(4, PirqsState.Kind.GSI, 4),
                                    new PirqsState.Source(254, PirqsState.Kind.ALLOCATED, 0),
                                    new PirqsState.Source(255, PirqsState.Kind.MSI, 0)),
                            0x0080_0010),
                    new FifoState(
                            List.of(
                                    new FifoState.Control(0, 0x12345, 72),
                                    new FifoState.Control(1, 0x1_0000_0001L, 4024)),
                            List.of(0x100L, 0x200L),
                            List.of(new FifoState.Tail(1, 15, 1500)),
                            List.of(
                                    new FifoState.Event(5, 15, 1, 7, false),
                                    new FifoState.Event(2047, 7, 0, 0, true))));

    private static EventChannelsState.Port port(int number, EvtchnStatus status) {
        return new EventChannelsState.Port(number, status);
    }

    private static byte[] golden(String name) throws IOException {
        return GoldenFile.bytes(EventChannelsCodecPropertyTest.class, name);
    }

    @Test
    void version1IsReadAsItWasWritten() throws IOException {
        byte[] bytes = golden("event-channels-v1.hex");
        BodyReader body = new BodyReader(bytes);
        assertEquals(STATE_V1.upgrade(), EventChannelsCodec.decode(1, body));
        assertEquals(0, body.remaining());
    }

    @Test
    void version2IsReadAsItWasWritten() throws IOException {
        BodyReader body = new BodyReader(golden("event-channels-v2.hex"));
        assertEquals(STATE, EventChannelsCodec.decode(2, body));
        assertEquals(0, body.remaining());
    }

    @Test
    void theCurrentVersionIsWrittenAsInItsGoldenFile() throws IOException {
        HexFormat hex = HexFormat.of();
        assertEquals(
                hex.formatHex(golden("event-channels-v2.hex")),
                hex.formatHex(EventChannelsCodec.encode(STATE).toBytes()));
    }

    @Test
    void otherVersionsAndValuesOutOfRangeAreRefused() {
        assertRefused(3, EventChannelsCodec.encode(STATE));
        assertRefused(1, header().u32(ServicePorts.LIMIT + 1));
        assertRefused(1, header().u32(1).u32(1).u8(3).u32(0));
        assertRefused(1, header().u32(1).u32(1).u8(4).u32(0).u8(24));
        assertRefused(1, header().u32(1).u32(1).u8(5).u32(-1));
        assertRefused(2, header().u32(0).u32(0).u32(1).u32(16).u8(3));
        assertRefused(2, header().u32(0).u32(0).u32(Pirqs.MAX + 1));
        assertRefused(2, header().u32(0).u32(0).u32(0).bool(true).u32(0).u32(129));
        assertRefused(2, header().u32(0).u32(0).u32(0).u8(2));
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
    void arbitraryBytesAreAStateOrRefused(
            @ForAll byte[] bytes, @ForAll @IntRange(min = 1, max = 2) int version) {
        try {
            EventChannelsState state = EventChannelsCodec.decode(version, new BodyReader(bytes));
            assertEquals(
                    state,
                    EventChannelsCodec.decode(
                            2, new BodyReader(EventChannelsCodec.encode(state).toBytes())));
        } catch (WireException e) {
            assertEquals(WireException.class, e.getClass());
        }
    }
}
