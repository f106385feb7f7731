package io.xenemu.core.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class RunArgumentsTest {
    @Test
    void optionsOfTheHostAreTakenOutInBothForms() {
        RunArguments split =
                RunArguments.parse(
                        List.of("--kernel", "k", "--lab=always", "--metrics", "h:1", "--vcpus=2"));

        assertEquals(List.of("--kernel", "k", "--vcpus=2"), split.inner());
        assertEquals(Map.of("--lab", "always", "--metrics", "h:1"), split.outer());
    }

    @Test
    void aGuestsCommandLineIsNotLookedInto() {
        List<String> arguments = List.of("--append", "--lab", "--initrd", "--metrics=x y");

        assertEquals(arguments, RunArguments.parse(arguments).inner());
    }
}
