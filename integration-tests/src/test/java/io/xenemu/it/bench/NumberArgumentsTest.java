package io.xenemu.it.bench;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class NumberArgumentsTest {
    @Test
    void whatIsLeftOutIsTheDefault() {
        assertArrayEquals(new int[] {3, 2000}, read());
        assertArrayEquals(new int[] {7, 2000}, read("7"));
        assertArrayEquals(new int[] {7, 8}, read("7", "8"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"--rounds", "0", "-1", "", "1 2 3", "99999999999"})
    void anythingElseIsNotUnderstood(String line) {
        assertThrows(IllegalArgumentException.class, () -> read(line.split(" ", -1)));
    }

    private static int[] read(String... args) {
        return NumberArguments.read(args, 3, 2000);
    }
}
