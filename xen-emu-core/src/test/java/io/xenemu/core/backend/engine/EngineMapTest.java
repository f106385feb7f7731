package io.xenemu.core.backend.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.GoldenFile;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class EngineMapTest {
    private static final EngineMap MAP = EngineMap.parse("block:0,-,block:1,net:0");

    /// Of [#MAP].
    private static final String BYTES =
            "04000000"
                    + "00000000"
                    + "0000000000000000"
                    + "00000000"
                    + "ffffffff"
                    + "00000100"
                    + "01000000";

    private static XenError refused(String hex) {
        return assertThrows(
                XenError.class, () -> EngineMapLayout.map(HexFormat.of().parseHex(hex)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "block:0,-,block:1,net:0 | block:0 - block:1 | net:0 | ",
                "-,net:3,block:1,block:1,- | block:1 block:1 - | - net:3 | ",
                "9p:1,9p:1 | | | 9p:1 9p:1",
                "-,- | - - | - - | - -",
                "default | | | "
            })
    void entriesOfAClassAreItsEnginesWithTheGapsAfterThem(
            String text, String block, String net, String share) {
        EngineMap map = EngineMap.parse(text);
        assertEquals(row(block), texts(map.of(EngineClass.BLOCK)));
        assertEquals(row(net), texts(map.of(EngineClass.NET)));
        assertEquals(row(share), texts(map.of(EngineClass.NINE_P)));
    }

    private static List<String> row(String cells) {
        return cells == null ? List.of() : List.of(cells.split(" ", -1));
    }

    private static List<String> texts(List<?> entries) {
        return entries.stream().map(Object::toString).toList();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "block",
                "block:",
                "disk:0",
                "block:0,",
                ",",
                "block:-1",
                "block:65535",
                "block:0 ",
                "block:123456",
                "--",
                "9p:٣"
            })
    void textOfAnotherFormIsRefusedWithTheWord(String text) {
        String message =
                String.valueOf(
                        assertThrows(IllegalArgumentException.class, () -> EngineMap.parse(text))
                                .getMessage());
        assertTrue(message.startsWith("'"), message);
    }

    @Test
    void mapHasAMostOfEntries() throws XenError {
        EngineMap most =
                new EngineMap(Collections.nCopies(EngineMap.MAX_ENTRIES, EngineMap.Gap.GAP));
        assertEquals(most, EngineMapLayout.map(EngineMapLayout.bytes(most)));
        String tooLong = most + ",-";
        assertThrows(IllegalArgumentException.class, () -> EngineMap.parse(tooLong));
    }

    @Test
    void binaryFormIsThatOfItsDocument() throws XenError {
        assertEquals(BYTES, HexFormat.of().formatHex(EngineMapLayout.bytes(MAP)));
        assertEquals(MAP, EngineMapLayout.map(HexFormat.of().parseHex(BYTES)));
        assertEquals(0, EngineMapLayout.bytes(EngineMap.DEFAULT).length);
        assertSame(EngineMap.DEFAULT, EngineMapLayout.map(new byte[0]));
    }

    @Test
    void wrongSizeIsEinval() {
        assertSame(XenError.EINVAL, refused(BYTES.substring(2)));
        assertSame(XenError.EINVAL, refused(BYTES + "0000000000000000"));
        assertSame(XenError.EINVAL, refused("04000000"));
        assertSame(XenError.EINVAL, refused("05" + BYTES.substring(2)));
        assertSame(XenError.EINVAL, refused("ffffffff" + BYTES.substring(8)));
    }

    @Test
    void noEntryIsEinval() {
        assertSame(XenError.EINVAL, refused("00".repeat(16)));
    }

    @Test
    void paddingThatIsNotZeroIsEinval() {
        assertSame(XenError.EINVAL, refused(BYTES.substring(0, 30) + "01" + BYTES.substring(32)));
        String one = "01000000" + "00000000" + "0000000000000000" + "00000000";
        assertSame(XenError.EINVAL, refused(one + "00000001"));
    }

    @Test
    void unknownClassOrInstanceIsEnoent() {
        String one = "01000000" + "00000000" + "0000000000000000";
        for (String entry : List.of("05000000", "0000ffff", "ffff0000")) {
            assertSame(XenError.ENOENT, refused(one + entry + "00000000"));
        }
    }

    @Test
    void unknownExtensionRefusesTheMap() {
        String entries = "0200000018000000" + "0000000000000000" + "0000000001000000";
        assertSame(XenError.EINVAL, refused(entries + extension(7, 16, 0)));
        assertSame(XenError.EINVAL, refused(entries));
        assertSame(XenError.EINVAL, refused(entries.replace("18", "10") + extension(7, 16, 0)));
    }

    private static String extension(int type, int size, int next) {
        ByteBuffer bytes = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putInt(type).putInt(size).putInt(next).putInt(0);
        return HexFormat.of().formatHex(bytes.array());
    }

    private static List<Integer> extensions(String hex) throws XenError {
        return EngineMapLayout.extensions(
                ByteBuffer.wrap(HexFormat.of().parseHex(hex)).order(ByteOrder.LITTLE_ENDIAN), 0);
    }

    @Test
    void extensionsFollowOneAnotherAndAreFew() throws XenError {
        String rest = "00".repeat(8);
        assertEquals(List.of(5, 6), extensions(extension(5, 24, 24) + rest + extension(6, 16, 0)));
        StringBuilder most = new StringBuilder();
        for (int i = 1; i < EngineMapLayout.MAX_EXTENSIONS; i++) {
            most.append(extension(i, 16, 16 * i));
        }
        assertEquals(EngineMapLayout.MAX_EXTENSIONS, extensions(most + extension(0, 16, 0)).size());
        String tooMany =
                most + extension(0, 16, 16 * EngineMapLayout.MAX_EXTENSIONS) + extension(0, 16, 0);
        assertSame(XenError.EINVAL, assertThrows(XenError.class, () -> extensions(tooMany)));
    }

    @ParameterizedTest
    @CsvSource({
        "16, 16, 16",
        "16, 0, 32",
        "12, 12, 16",
        "16, 8, 16",
        "0, 0, 16",
        "-16, 0, 16",
        "16, 64, 16",
        "24, 0, 16"
    })
    void extensionsThatLoopOrLeaveTheMapAreEinval(int size, int next, int bytes) {
        String hex = extension(1, size, next) + "00".repeat(bytes - 16);
        if (next == 16 && bytes == 16) {
            // The next one would begin where the map ends.
            assertSame(XenError.EINVAL, assertThrows(XenError.class, () -> extensions(hex)));
            String loop = extension(1, size, 16) + extension(2, 16, 16);
            assertSame(XenError.EINVAL, assertThrows(XenError.class, () -> extensions(loop)));
            return;
        }
        assertSame(XenError.EINVAL, assertThrows(XenError.class, () -> extensions(hex)));
    }

    /// The golden file is of the version in its name and is never made again.
    @Test
    void savedMapsOfVersion1AreRead() throws Exception {
        byte[] golden = GoldenFile.bytes(EngineMapTest.class, "engine-map-v1.hex");
        assertEquals(MAP, EngineMapState.decode(1, new BodyReader(golden)).map());
        HexFormat hex = HexFormat.of();
        assertEquals(
                hex.formatHex(golden), hex.formatHex(new EngineMapState(MAP).encode().toBytes()));
    }

    @Test
    void savedMapsThatCannotBeUsedAreRefused() {
        byte[] saved = new EngineMapState(MAP).encode().toBytes();
        assertThrows(
                WireException.class,
                () -> EngineMapState.decode(EngineMapState.VERSION + 1, new BodyReader(saved)));
        saved[4] = 0;
        assertThrows(WireException.class, () -> EngineMapState.decode(1, new BodyReader(saved)));
    }
}
