package io.xenemu.core.backend.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class EngineSpecTest {
    private static List<String> names(List<EngineSpec> specs) {
        return specs.stream().map(spec -> spec.id().toString()).toList();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "block:0 | all",
                "net:7,cpus=2 | 2",
                "block:1,cpus=2-3,6,4 | 2-4,6",
                "9p:0,cpus=0-0 | 0"
            })
    void definitionHasANameAndCpus(String text, String cpus) {
        EngineSpec spec = EngineSpec.parse(text);
        assertEquals(cpus, spec.cpus().toString());
        assertTrue(text.startsWith(spec.id().toString()));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "block",
                "block:0,cpus=",
                "block:0,cpus=3-2",
                "block:0,cpus=a",
                "block:0,cpus=1,,2",
                "block:0,cpus=9000",
                "block:0,nodes=1",
                "block:0,cpus=1-"
            })
    void otherDefinitionsAreWrong(String text) {
        assertThrows(IllegalArgumentException.class, () -> EngineSpec.parse(text));
    }

    @Test
    void classesWithoutADefinitionHaveTheirDefault() {
        assertEquals(
                List.of(
                        "block:0",
                        "block:1",
                        "net:0",
                        "net:1",
                        "9p:0",
                        "9p:1",
                        "9p:2",
                        "9p:3",
                        "console:0"),
                names(EngineSpec.withDefaults(List.of(), 1)));
        assertEquals(
                List.of(
                        "block:7",
                        "net:0",
                        "net:1",
                        "net:2",
                        "net:3",
                        "9p:0",
                        "9p:1",
                        "9p:2",
                        "9p:3",
                        "console:0"),
                names(EngineSpec.withDefaults(List.of(EngineSpec.parse("block:7")), 64)));
    }

    @Test
    void enginesAreDifferentAndNotTooMany() {
        EngineSpec one = EngineSpec.parse("block:0");
        assertThrows(
                IllegalArgumentException.class,
                () -> EngineSpec.withDefaults(List.of(one, one), 1));
        List<EngineSpec> many = new ArrayList<>();
        for (int i = 0; i < EngineSpec.MAX_ENGINES; i++) {
            many.add(EngineSpec.parse("block:" + i));
        }
        assertThrows(IllegalArgumentException.class, () -> EngineSpec.withDefaults(many, 1));
    }
}
