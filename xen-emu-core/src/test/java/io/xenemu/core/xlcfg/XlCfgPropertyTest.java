package io.xenemu.core.xlcfg;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;

/// Any bytes are a configuration or give one line, and each configuration that is written is read again.
final class XlCfgPropertyTest {
    /// Pieces of which random texts get far into the parser.
    private static final List<String> PIECES =
            List.of(
                    "name",
                    "memory",
                    "disk",
                    "vif",
                    "type",
                    "cpuid",
                    "vnc",
                    "=",
                    "+=",
                    "'pvh'",
                    "\"hvm\"",
                    "1",
                    "0x10",
                    "[",
                    "]",
                    ",",
                    ";",
                    "\n",
                    " ",
                    "#",
                    "\\",
                    "'",
                    "\"",
                    "kernel='/k'\n",
                    "type='pvh'\n",
                    "name='a'\n",
                    "uuid='1'",
                    "viridian=1\n",
                    "serial='pty'\n",
                    "\0",
                    "\r",
                    "\u00e9");

    private static void requireOneLine(XlCfgException refused) {
        assertFalse(refused.getMessage().isEmpty());
        assertTrue(
                refused.getMessage().chars().noneMatch(Character::isISOControl),
                refused.getMessage());
    }

    private static void read(byte[] text, boolean isLenient) {
        try {
            XlCfg cfg = XlCfg.parse("f", text, List.of());
            XlGuest guest = XlGuest.of(cfg, (_, _) -> List.of(), isLenient);
            XlGuest.request(cfg, "f", guest.settings());
        } catch (XlCfgException e) {
            requireOneLine(e);
        }
    }

    @Property
    void anyBytesGiveAGuestOrOneLine(@ForAll byte[] text, @ForAll boolean isLenient) {
        read(text, isLenient);
    }

    @Property
    void anyPiecesOfConfigurationsGiveAGuestOrOneLine(
            @ForAll List<@IntRange(max = 31) Integer> pieces, @ForAll boolean isLenient) {
        String text = pieces.stream().map(PIECES::get).collect(Collectors.joining());
        read(text.getBytes(StandardCharsets.UTF_8), isLenient);
    }

    @Property
    void eachKeyTakesAnyTextOrRefusesItInOneLine(
            @ForAll XlKey key, @ForAll String value, @ForAll boolean isList) {
        String text = written(new XlValue.Text(value));
        String file = key.key() + "=" + (isList ? "[" + text + "]" : text) + "\nkernel='/k'\n";
        read(file.getBytes(StandardCharsets.UTF_8), false);
    }

    @Property
    void whatIsWrittenIsReadAgain(@ForAll("settings") Map<String, XlValue> settings)
            throws XlCfgException {
        String text =
                settings.entrySet().stream()
                        .map(entry -> entry.getKey() + " = " + written(entry.getValue()))
                        .collect(Collectors.joining("\n"));

        XlCfg cfg = XlCfg.parse("f", text.getBytes(StandardCharsets.UTF_8), List.of());

        assertEquals(
                settings,
                cfg.all().stream().collect(Collectors.toMap(XlSetting::name, XlSetting::value)));
        assertEquals(List.of(), cfg.warnings());
    }

    @Provide
    Arbitrary<Map<String, XlValue>> settings() {
        Arbitrary<String> names =
                Arbitraries.strings().withCharRange('a', 'z').ofMinLength(1).ofMaxLength(20);
        return Arbitraries.maps(names, value(3)).ofMaxSize(8);
    }

    private static Arbitrary<XlValue> value(int depth) {
        Arbitrary<XlValue> text =
                Arbitraries.strings()
                        .excludeChars('\0')
                        .filter(it -> it.chars().noneMatch(c -> Character.isSurrogate((char) c)))
                        .map(XlValue.Text::new);
        if (depth == 0) {
            return text;
        }
        Arbitrary<XlValue> list =
                Arbitraries.lazy(() -> value(depth - 1))
                        .list()
                        .ofMaxSize(3)
                        .map(XlValue.Items::new);
        return Arbitraries.oneOf(List.of(text, list));
    }

    private static String written(XlValue value) {
        return switch (value) {
            case XlValue.Text(String text) ->
                    "\""
                            + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n")
                            + "\"";
            case XlValue.Items(List<XlValue> values) ->
                    values.stream()
                            .map(XlCfgPropertyTest::written)
                            .collect(Collectors.joining(",\n ", "[\n", " # end\n]"));
        };
    }
}
