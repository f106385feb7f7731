package io.xenemu.core.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.kvm.testing.GoldenFile;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.util.HexFormat;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

/// The saved state of a domain's devices is read as it was written.
final class BackendsStatePropertyTest {
    private static final BackendsState STATE =
            new BackendsState(
                    List.of(
                            new DeviceState(
                                    DeviceKind.P9,
                                    0,
                                    XenbusState.CONNECTED,
                                    true,
                                    4,
                                    1,
                                    List.of((byte) 1, (byte) -2)),
                            new DeviceState(
                                    DeviceKind.VBD,
                                    51_712,
                                    XenbusState.CLOSING,
                                    false,
                                    1,
                                    258,
                                    List.of())));

    private static BackendsState decode(byte[] bytes) throws WireException {
        return BackendsState.decode(BackendsState.VERSION, new BodyReader(bytes));
    }

    /// The golden file is of the version in its name and is never made again.
    @Test
    void savedDevicesOfVersion1AreRead() throws Exception {
        byte[] golden = GoldenFile.bytes(BackendsStatePropertyTest.class, "devices-v1.hex");
        assertEquals(STATE, BackendsState.decode(1, new BodyReader(golden)));
        HexFormat hex = HexFormat.of();
        assertEquals(hex.formatHex(golden), hex.formatHex(STATE.encode().toBytes()));
    }

    @Provide
    Arbitrary<BackendsState> states() {
        return Combinators.combine(
                        Arbitraries.of(DeviceKind.values()),
                        Arbitraries.of(Phase.values()),
                        Arbitraries.integers().between(0, 0xffff),
                        Arbitraries.bytes().list().ofMaxSize(9))
                .as((kind, phase, number, body) ->
                        new DeviceState(
                                kind,
                                number,
                                phase.shown(),
                                phase.isConnected(),
                                number,
                                number,
                                body))
                .list()
                .ofMaxSize(5)
                .map(BackendsState::new);
    }

    @Property(tries = 200)
    void aStateIsReadAsItWasWritten(@ForAll("states") BackendsState state) throws WireException {
        assertEquals(state, decode(state.encode().toBytes()));
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
                () -> BackendsState.decode(BackendsState.VERSION + 1, new BodyReader(bytes)));
    }

    @Test
    void aConditionThatNoDeviceHasIsRefused() {
        assertThrows(
                IllegalArgumentException.class,
                () ->
                        new DeviceState(
                                DeviceKind.P9, 0, XenbusState.CONNECTED, false, 4, 1, List.of()));
        byte[] saved = STATE.encode().toBytes();
        // The state of the first device: behind the count, the kind and the number.
        saved[4 + 4 + 4 + 4 + 4] = '2';
        assertThrows(WireException.class, () -> decode(saved));
    }
}
