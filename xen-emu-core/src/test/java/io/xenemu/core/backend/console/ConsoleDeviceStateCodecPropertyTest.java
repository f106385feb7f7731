package io.xenemu.core.backend.console;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.backend.RecordFields;
import io.xenemu.core.device.ConsoleState;
import io.xenemu.core.toolstack.ConsoleSpec;
import io.xenemu.kvm.testing.GoldenFile;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalInt;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

/// The saved state of a further console is read as it was written.
final class ConsoleDeviceStateCodecPropertyTest {
    /// Every part of a state, in the golden file of version 1.
    private static final ConsoleDeviceState STATE =
            new ConsoleDeviceState(
                    new ConsoleSpec(
                            OptionalInt.of(3),
                            "org.example.agent",
                            ConsoleSpec.Connection.FILE,
                            "/var/log/a b",
                            1 << 20,
                            1L << 35,
                            "/dev/pts/4",
                            "0"),
                    List.of((byte) 1, (byte) -2, (byte) 3),
                    List.of((byte) 'h', (byte) 'i'),
                    new ConsoleDeviceState.Connection(
                            13, 7, new ConsoleState.Ring(-5, 1 << 30, true)));

    private static ConsoleDeviceState decode(byte[] bytes) throws WireException {
        return ConsoleDeviceStateCodec.decode(
                ConsoleDeviceStateCodec.VERSION, new BodyReader(bytes));
    }

    /// The golden file is of the version in its name and is never made again.
    @Test
    void aSavedConsoleOfVersion1IsRead() throws Exception {
        byte[] golden =
                GoldenFile.bytes(ConsoleDeviceStateCodecPropertyTest.class, "console-v1.hex");
        assertEquals(STATE, ConsoleDeviceStateCodec.decode(1, new BodyReader(golden)));
        HexFormat hex = HexFormat.of();
        assertEquals(
                hex.formatHex(golden),
                hex.formatHex(ConsoleDeviceStateCodec.encode(STATE).toBytes()));
    }

    @Test
    void everyFieldIsCarried() throws Exception {
        RecordFields.assertEachIsWritten(STATE, ConsoleDeviceStateCodec::encode);
    }

    @Provide
    Arbitrary<ConsoleDeviceState> states() {
        return Combinators.combine(
                        Arbitraries.integers().between(4096, ConsoleSpec.MAX_LIMIT),
                        Arbitraries.of(ConsoleSpec.Connection.values()),
                        Arbitraries.bytes().list().ofMaxSize(99),
                        Arbitraries.bytes().list().ofMaxSize(99),
                        Arbitraries.of(true, false))
                .as(ConsoleDeviceStateCodecPropertyTest::state);
    }

    private static ConsoleDeviceState state(
            int number,
            ConsoleSpec.Connection connection,
            List<Byte> output,
            List<Byte> input,
            boolean flag) {
        return new ConsoleDeviceState(
                new ConsoleSpec(
                        OptionalInt.of(number),
                        flag ? "" : "n" + number,
                        connection,
                        "/" + number,
                        number,
                        number,
                        flag ? "/dev/pts/" + number : "",
                        "0"),
                output,
                input,
                number % 3 == 0
                        ? null
                        : new ConsoleDeviceState.Connection(
                                ~number, number, new ConsoleState.Ring(number, ~number, flag)));
    }

    @Property(tries = 200)
    void aStateIsReadAsItWasWritten(@ForAll("states") ConsoleDeviceState state)
            throws WireException {
        assertEquals(state, decode(ConsoleDeviceStateCodec.encode(state).toBytes()));
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
                () ->
                        ConsoleDeviceStateCodec.decode(
                                ConsoleDeviceStateCodec.VERSION + 1, new BodyReader(bytes)));
    }

    /// A byte that is another one gives another state, or none; a state that is cut off is none.
    @Test
    void aDamagedStateIsAnotherStateOrRefused() {
        RecordFields.assertDamageShows(
                STATE,
                ConsoleDeviceStateCodec.encode(STATE).toBytes(),
                ConsoleDeviceStateCodecPropertyTest::decode);
    }
}
