package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.fail;

import com.google.common.primitives.Bytes;
import io.xenemu.core.backend.SavedSpec;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.PartState;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.kvm.testing.GoldenFile;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.util.HexFormat;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.From;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

/// The frame of a guest that had suspended itself.
final class SuspendedStatePropertyTest {
    private static final SuspendedState GOLDEN =
            new SuspendedState(
                    3,
                    256L << 20,
                    List.of(
                            new SavedSpec(DeviceKind.VBD, 1, Bytes.asList(new byte[] {1, 2, 3})),
                            new SavedSpec(DeviceKind.VIF, 7, List.of())));

    private static byte[] bytes(SuspendedState state) {
        if (state.saved() instanceof PartState.Saved saved) {
            return saved.body().toBytes();
        }
        return fail("it is a frame");
    }

    private static SuspendedState decode(byte[] bytes) throws WireException {
        BodyReader body = new BodyReader(bytes);
        SuspendedState state = SuspendedState.decode(1, body);
        body.end();
        return state;
    }

    /// The golden file is of the version in its name and is never made again.
    @Test
    void savedStatesOfVersion1AreRead() throws Exception {
        byte[] golden =
                GoldenFile.bytes(SuspendedStatePropertyTest.class, "suspended-guest-v1.hex");
        HexFormat hex = HexFormat.of();
        assertEquals(hex.formatHex(golden), hex.formatHex(bytes(GOLDEN)));
        assertEquals(GOLDEN, decode(golden));
        assertThrows(WireException.class, () -> SuspendedState.decode(2, new BodyReader(golden)));
    }

    @Provide
    static Arbitrary<SavedSpec> specs() {
        Arbitrary<List<Byte>> bodies = Arbitraries.bytes().list().ofMaxSize(40);
        return Combinators.combine(
                        Arbitraries.of(DeviceKind.class),
                        Arbitraries.integers().between(0, 0xffff),
                        bodies)
                .as(SavedSpec::new);
    }

    @Property
    void anyStateIsReadAsItWasWritten(
            @ForAll @IntRange(min = 1, max = DomainConfig.MAX_VCPUS) int online,
            @ForAll @LongRange(min = 1, max = Long.MAX_VALUE) long memory,
            @ForAll @Size(max = 5) List<@From("specs") SavedSpec> devices)
            throws WireException {
        SuspendedState state = new SuspendedState(online, memory, devices);
        assertEquals(state, decode(bytes(state)));
    }

    @Property
    void anyBytesAreReadOrRefused(@ForAll byte[] bytes) {
        try {
            SuspendedState state = decode(bytes);
            assertEquals(HexFormat.of().formatHex(bytes), HexFormat.of().formatHex(bytes(state)));
        } catch (WireException e) {
            assertEquals(1, String.valueOf(e.getMessage()).lines().count());
        }
    }
}
