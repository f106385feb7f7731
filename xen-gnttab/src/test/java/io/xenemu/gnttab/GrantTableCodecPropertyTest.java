package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.DomId;
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
final class GrantTableCodecPropertyTest {
    private static final List<GrantTableState.Mapped> MAPPINGS =
            List.of(
                    new GrantTableState.Mapped(GrantRef.XENSTORE, DomId.DOM0, 0xfeffc, 0, 1),
                    new GrantTableState.Mapped(
                            new GrantRef(600), new DomId(0x7fef), 0xffff_ffffL, 128, 3));

    private static final GrantTableState FROM_VERSION_1 =
            new GrantTableState(
                    new DomId(7), 1, new GrantLimits(64, 1024, 1), 2, MAPPINGS, List.of());

    private static final GrantTableState STATE =
            new GrantTableState(
                    new DomId(7),
                    2,
                    new GrantLimits(64, 512, 2),
                    3,
                    List.of(
                            MAPPINGS.get(0),
                            new GrantTableState.Mapped(
                                    new GrantRef(600), new DomId(0x7fef), 1L << 39, 128, 3)),
                    List.of(
                            new GrantTableState.Tracked(
                                    0, new DomId(3), new GrantRef(8), true, 0x12345),
                            new GrantTableState.Tracked(
                                    511, DomId.DOM0, new GrantRef(-1), false, 1L << 40)));

    private static byte[] golden(String name) throws IOException {
        return GoldenFile.bytes(GrantTableCodecPropertyTest.class, name);
    }

    @Test
    void everyVersionIsReadAsItWasWritten() throws IOException {
        assertRead(1, FROM_VERSION_1);
        assertRead(2, STATE);
    }

    private static void assertRead(int version, GrantTableState expected) throws IOException {
        BodyReader body = new BodyReader(golden("grant-table-v" + version + ".hex"));
        assertEquals(expected, GrantTableCodec.decode(version, body));
        assertEquals(0, body.remaining());
    }

    @Test
    void theCurrentVersionIsWrittenAsInItsGoldenFile() throws IOException {
        HexFormat hex = HexFormat.of();
        assertEquals(
                hex.formatHex(golden("grant-table-v2.hex")),
                hex.formatHex(GrantTableCodec.encode(STATE).toBytes()));
    }

    @Test
    void otherVersionsAndValuesOutOfRangeAreRefused() {
        assertRefused(3, GrantTableCodec.encode(STATE));
        assertRefused(1, new BodyWriter().u16(7).u8(1).u32(-1).u32(1).u32(0));
        assertRefused(1, new BodyWriter().u16(7).u8(1).u32(0).u32(1).u32(0));
        assertRefused(1, new BodyWriter().u16(7).u8(1).u32(64).u32(1).u32(-1));
        assertRefused(2, new BodyWriter().u16(7).u8(1).u32(64).u32(1).u8(3).u32(1).u32(0).u32(0));
        assertRefused(2, new BodyWriter().u16(7).u8(1).u32(64).u32(-1).u8(2).u32(1).u32(0).u32(0));
    }

    private static void assertRefused(int version, BodyWriter body) {
        assertThrows(
                WireException.class,
                () -> GrantTableCodec.decode(version, new BodyReader(body.toBytes())));
    }

    @Property
    void arbitraryBytesAreAStateOrRefused(
            @ForAll @IntRange(min = 1, max = 2) int version, @ForAll byte[] bytes) {
        try {
            GrantTableState state = GrantTableCodec.decode(version, new BodyReader(bytes));
            assertEquals(
                    state,
                    GrantTableCodec.decode(
                            2, new BodyReader(GrantTableCodec.encode(state).toBytes())));
        } catch (WireException e) {
            assertEquals(WireException.class, e.getClass());
        }
    }
}
