package io.xenemu.core.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The JSON of the control protocol.
final class JsonPropertyTest {
    /// The last character before the surrogates.
    private static final char LAST = '\ud7ff';

    @Provide
    Arbitrary<Json> values() {
        Arbitrary<String> text = Arbitraries.strings().withCharRange('\0', LAST).ofMaxLength(20);
        Arbitrary<Json> flat =
                Arbitraries.oneOf(
                        List.of(
                                text.map(Json.Text::new),
                                Arbitraries.longs().map(Json.Int::new),
                                Arbitraries.of(true, false).map(Json.Bool::new),
                                Arbitraries.just(new Json.Null())));
        return Arbitraries.recursive(
                () -> flat,
                inner ->
                        Arbitraries.oneOf(
                                List.of(
                                        inner.list().ofMaxSize(4).map(Json.Array::new),
                                        Arbitraries.maps(text, inner)
                                                .ofMaxSize(4)
                                                .map(Json.Obj::new))),
                0,
                4);
    }

    @Property
    void whatIsWrittenOverSeveralLinesIsReadAgain(@ForAll("values") Json value)
            throws JsonException {
        assertEquals(value, JsonReader.read(String.join("\n", IndentedJson.lines(value))));
    }

    @Property
    void anyValueGoesThroughOneLine(@ForAll("values") Json value) throws JsonException {
        String line = JsonWriter.line(value);

        assertFalse(line.contains("\n"));
        assertEquals(value, JsonReader.read(line));
    }

    @Property
    void anyTextIsAValueOrRefused(@ForAll String text) {
        readOrRefuse(text);
    }

    /// Texts that are nearly JSON.
    @Property
    void anyCutOrChangedLineIsAValueOrRefused(
            @ForAll("values") Json value, @ForAll int at, @ForAll char changed) {
        String line = JsonWriter.line(value);
        int cut = Math.floorMod(at, line.length() + 1);

        readOrRefuse(line.substring(0, cut));
        readOrRefuse(line.substring(0, cut) + changed + line.substring(cut));
    }

    private static void readOrRefuse(String text) {
        try {
            assertEquals(
                    JsonReader.read(text), JsonReader.read(JsonWriter.line(JsonReader.read(text))));
        } catch (JsonException e) {
            assertFalse(e.getMessage() == null);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "nul",
                "truex",
                "01",
                "-",
                "1.0",
                "1e3",
                "9223372036854775808",
                "+1",
                "NaN",
                "'a'",
                "\"a",
                "\"\t\"",
                "\"\\x\"",
                "\"\\u12g4\"",
                "\"\\u12",
                "\"\\ud800\"",
                "\"\\udc00\\ud800\"",
                "[1,]",
                "[1 2]",
                "[",
                "{\"a\"}",
                "{\"a\": 1,}",
                "{a: 1}",
                "{\"a\": 1, \"a\": 2}",
                "{} {}",
                "[]]"
            })
    void textThatIsNoJsonIsRefused(String text) {
        assertThrows(JsonException.class, () -> JsonReader.read(text));
    }

    @Test
    void escapesAndBlanksAreRead() throws JsonException {
        assertEquals(
                new Json.Obj(
                        Map.of(
                                "a",
                                new Json.Array(
                                        List.of(new Json.Text("\"\\/\b\f\n\r\t\ud83d\ude00"))))),
                JsonReader.read(
                        " {\t\"a\" :\r[ \"\\\"\\\\\\/\\b\\f\\n\\r\\t\\ud83d\\ude00\" ] } "));
    }

    @Test
    void depthIsBounded() throws JsonException {
        int depth = JsonReader.MAX_DEPTH + 1;
        String deepest = "[".repeat(depth) + "]".repeat(depth);
        assertEquals(deepest, JsonWriter.line(JsonReader.read(deepest)));
        assertThrows(JsonException.class, () -> JsonReader.read('[' + deepest + ']'));
        assertThrows(JsonException.class, () -> JsonReader.read("[".repeat(60_000)));
    }

    @Test
    void controlCharactersAreEscaped() throws JsonException {
        String text = "\u0000\u001b[2J\u007f\u009b2J";
        String line = JsonWriter.line(new Json.Text(text));
        assertEquals("\"\\u0000\\u001b[2J\\u007f\\u009b2J\"", line);
        assertEquals(new Json.Text(text), JsonReader.read(line));
    }
}
