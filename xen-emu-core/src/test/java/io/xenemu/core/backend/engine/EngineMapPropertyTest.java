package io.xenemu.core.backend.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.engine.EngineMap.Entry;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.wire.BodyReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import net.jqwik.api.constraints.Size;

/// Both forms of a map say the same, and no bytes and no text do harm.
final class EngineMapPropertyTest {
    @Provide
    Arbitrary<EngineMap> maps() {
        Arbitrary<Entry> engine =
                Combinators.combine(
                                Arbitraries.of(EngineClass.class),
                                Arbitraries.integers().between(0, EngineId.MAX_INSTANCE))
                        .as(EngineId::new);
        return Arbitraries.frequencyOf(
                        Tuple.of(3, engine), Tuple.of(1, Arbitraries.just(EngineMap.Gap.GAP)))
                .list()
                .ofMaxSize(20)
                .map(EngineMap::new);
    }

    /// Bytes that look like a map with entries and extensions.
    @Provide
    Arbitrary<byte[]> almostMaps() {
        Arbitrary<Integer> words =
                Arbitraries.frequencyOf(
                        Tuple.of(4, Arbitraries.integers().between(0, 4)),
                        Tuple.of(2, Arbitraries.integers().between(16, 48)),
                        Tuple.of(1, Arbitraries.of(-1, 0xffff, 1 << 16)),
                        Tuple.of(1, Arbitraries.integers()));
        return words.list().ofMaxSize(24).map(EngineMapPropertyTest::bytes);
    }

    private static byte[] bytes(List<Integer> words) {
        ByteBuffer bytes =
                ByteBuffer.allocate(words.size() * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        words.forEach(bytes::putInt);
        return bytes.array();
    }

    @Property
    void textIsReadAsItIsWritten(@ForAll("maps") EngineMap map) {
        assertEquals(map, EngineMap.parse(map.toString()));
    }

    @Property
    void bytesAreReadAsTheyAreWritten(@ForAll("maps") EngineMap map) throws Exception {
        assertEquals(map, EngineMapLayout.map(EngineMapLayout.bytes(map)));
        byte[] saved = new EngineMapState(map).encode().toBytes();
        assertEquals(
                map, EngineMapState.decode(EngineMapState.VERSION, new BodyReader(saved)).map());
    }

    @Property
    void anyBytesAreAMapOrAnErrorOfTheCall(@ForAll @Size(max = 64) byte[] bytes) {
        requireMapOrError(bytes);
    }

    @Property
    void anyWordsAreAMapOrAnErrorOfTheCall(@ForAll("almostMaps") byte[] bytes) {
        requireMapOrError(bytes);
    }

    private static void requireMapOrError(byte[] bytes) {
        try {
            EngineMap map = EngineMapLayout.map(bytes);
            assertEquals(
                    ByteBuffer.wrap(bytes),
                    ByteBuffer.wrap(EngineMapLayout.bytes(map)),
                    "nothing was ignored");
        } catch (XenError e) {
            assertTrue(e == XenError.EINVAL || e == XenError.ENOENT, e.symbol());
        }
    }

    @Property
    void anyTextIsAMapOrWrong(@ForAll String text) {
        try {
            EngineMap map = EngineMap.parse(text);
            assertTrue(map.isDefault() ? text.length() < 8 : map.toString().equals(text));
        } catch (IllegalArgumentException e) {
            assertTrue(String.valueOf(e.getMessage()).length() > 0);
        }
    }

    @Property
    void everyEntryBelongsToOneClassUnlessThereAreOnlyGaps(@ForAll("maps") EngineMap map) {
        int rows = 0;
        for (EngineClass type : EngineClass.values()) {
            List<Entry> row = map.of(type);
            rows += row.size();
            for (Entry entry : row) {
                assertTrue(!(entry instanceof EngineId id) || id.type() == type);
            }
        }
        int times = map.engines().isEmpty() ? EngineClass.values().length : 1;
        assertEquals(map.entries().size() * times, rows);
    }
}
