package io.xenemu.core.backend.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.backend.RecordFields;
import io.xenemu.core.backend.ring.RingState;
import io.xenemu.core.toolstack.MacAddress;
import io.xenemu.core.toolstack.NicRate;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.PasstSpec;
import io.xenemu.kvm.testing.GoldenFile;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

/// The saved state of a network interface is read as it was written.
final class NetStateCodecPropertyTest {
    /// Every part of a state, in the golden file of version 1.
    private static final NetState STATE =
            new NetState(
                    new NicSpec(
                            OptionalInt.of(2),
                            new MacAddress(0x0016_3e01_0203L),
                            9000,
                            "0",
                            "vif-route",
                            "xenbr1",
                            new LinkedHashMap<>(Map.of("gatewaydev", "eth0")),
                            Optional.of(new NicRate(62_500, 50_000)),
                            true,
                            Optional.of(new PasstSpec("/run/passt", "2222:22", "53", true))),
                    new NetState.Connection(
                            new RxFeatures(true, true, true, true, false, 256),
                            true,
                            List.of(0x0100_5e00_0001L, 0x3333_0000_0001L),
                            List.of(
                                    new NetState.Queue(
                                            new NetWires(9, 10, 4, 5),
                                            new RingState(-7, -7, false),
                                            new RingState(300, 300, true)),
                                    new NetState.Queue(
                                            new NetWires(11, -12, 6, 6),
                                            new RingState(1, 1, true),
                                            new RingState(2, 2, false))),
                            new NetState.Control(13, 7, new RingState(8, 8, false))));

    private static NetState decode(byte[] bytes) throws WireException {
        return NetStateCodec.decode(NetStateCodec.VERSION, new BodyReader(bytes));
    }

    /// The golden file is of the version in its name and is never made again.
    @Test
    void aSavedInterfaceOfVersion1IsRead() throws Exception {
        byte[] golden = GoldenFile.bytes(NetStateCodecPropertyTest.class, "nic-v1.hex");
        assertEquals(STATE, NetStateCodec.decode(1, new BodyReader(golden)));
        HexFormat hex = HexFormat.of();
        assertEquals(hex.formatHex(golden), hex.formatHex(NetStateCodec.encode(STATE).toBytes()));
    }

    @Test
    void everyFieldIsCarried() throws Exception {
        RecordFields.assertEachIsWritten(STATE, NetStateCodec::encode);
    }

    @Provide
    Arbitrary<NetState> states() {
        Arbitrary<NetState.Queue> queues =
                Combinators.combine(Arbitraries.integers(), Arbitraries.of(true, false))
                        .as((number, flag) ->
                                new NetState.Queue(
                                        new NetWires(number, ~number, number, number + 1),
                                        new RingState(number, number, flag),
                                        new RingState(~number, ~number, !flag)));
        return Combinators.combine(
                        queues.list().ofMinSize(1).ofMaxSize(NetBackend.MAX_QUEUES),
                        Arbitraries.integers().between(1, RxFeatures.MAX_HEADROOM),
                        Arbitraries.longs()
                                .between(0, (1L << 48) - 1)
                                .list()
                                .uniqueElements()
                                .ofMaxSize(MulticastFilter.LIMIT),
                        Arbitraries.of(true, false),
                        Arbitraries.of(true, false))
                .as(NetStateCodecPropertyTest::state);
    }

    private static NetState state(
            List<NetState.Queue> queues,
            int number,
            List<Long> addresses,
            boolean flag,
            boolean isConnected) {
        Map<String, String> nodes = flag ? Map.of() : Map.of("ip", "10.0.0." + number);
        return new NetState(
                new NicSpec(
                        OptionalInt.of(number),
                        new MacAddress(number),
                        number,
                        "0",
                        flag ? "" : "s",
                        "b" + number,
                        new LinkedHashMap<>(nodes),
                        flag ? Optional.empty() : Optional.of(new NicRate(number, number)),
                        flag,
                        flag
                                ? Optional.of(new PasstSpec("", "" + number, "", true))
                                : Optional.empty()),
                isConnected
                        ? new NetState.Connection(
                                new RxFeatures(flag, flag, flag, false, !flag, number),
                                flag,
                                addresses,
                                queues,
                                flag
                                        ? null
                                        : new NetState.Control(
                                                number,
                                                ~number,
                                                new RingState(number, number, flag)))
                        : null);
    }

    @Property(tries = 200)
    void aStateIsReadAsItWasWritten(@ForAll("states") NetState state) throws WireException {
        assertEquals(state, decode(NetStateCodec.encode(state).toBytes()));
    }

    @Property(tries = 200)
    void arbitraryBytesAreAStateOrRefused(@ForAll byte[] bytes) {
        try {
            decode(bytes);
        } catch (WireException e) {
            assertEquals(WireException.class, e.getClass());
        }
        assertThrows(
                WireException.class,
                () -> NetStateCodec.decode(NetStateCodec.VERSION + 1, new BodyReader(bytes)));
    }

    /// A byte that is another one gives another state, or none; a state that is cut off is none.
    @Test
    void aDamagedStateIsAnotherStateOrRefused() {
        RecordFields.assertDamageShows(
                STATE, NetStateCodec.encode(STATE).toBytes(), NetStateCodecPropertyTest::decode);
    }
}
