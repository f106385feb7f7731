package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.DomId;
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
final class GrantTableCodecPropertyTest {
    private static final GrantTableState STATE =
            new GrantTableState(
                    new DomId(7),
                    1,
                    64,
                    2,
                    List.of(
                            new GrantTableState.Mapped(
                                    GrantRef.XENSTORE, DomId.DOM0, 0xfeffc, 0, 1),
                            new GrantTableState.Mapped(
                                    new GrantRef(600), new DomId(0x7fef), -1, 128, 3)));

    private static byte[] golden(String name) throws IOException {
        try (InputStream in = GrantTableCodecPropertyTest.class.getResourceAsStream(name)) {
            String text =
                    new String(
                            Objects.requireNonNull(in).readAllBytes(), StandardCharsets.US_ASCII);
            return HexFormat.of().parseHex(text.replaceAll("\\s", ""));
        }
    }

    @Test
    void version1IsReadAsItWasWritten() throws IOException {
        byte[] bytes = golden("grant-table-v1.hex");
        BodyReader body = new BodyReader(bytes);
        assertEquals(STATE, GrantTableCodec.decode(1, body));
        assertEquals(0, body.remaining());
    }

    @Test
    void theCurrentVersionIsWrittenAsInItsGoldenFile() throws IOException {
        HexFormat hex = HexFormat.of();
        assertEquals(
                hex.formatHex(golden("grant-table-v1.hex")),
                hex.formatHex(GrantTableCodec.encode(STATE).toBytes()));
    }

    @Test
    void otherVersionsAndValuesOutOfRangeAreRefused() {
        assertRefused(2, GrantTableCodec.encode(STATE));
        assertRefused(1, new BodyWriter().u16(7).u8(1).u32(-1).u32(1).u32(0));
        assertRefused(1, new BodyWriter().u16(7).u8(1).u32(64).u32(1).u32(-1));
    }

    private static void assertRefused(int version, BodyWriter body) {
        assertThrows(
                WireException.class,
                () -> GrantTableCodec.decode(version, new BodyReader(body.toBytes())));
    }

    @Property
    void arbitraryBytesAreAStateOrRefused(@ForAll byte[] bytes) {
        try {
            GrantTableState state = GrantTableCodec.decode(1, new BodyReader(bytes));
            assertEquals(
                    state,
                    GrantTableCodec.decode(
                            1, new BodyReader(GrantTableCodec.encode(state).toBytes())));
        } catch (WireException e) {
            assertEquals(WireException.class, e.getClass());
        }
    }
}
