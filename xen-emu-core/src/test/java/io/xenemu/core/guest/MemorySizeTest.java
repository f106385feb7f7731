package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class MemorySizeTest {
    @ParameterizedTest
    @CsvSource({
        "1, 1048576",
        "512, 536870912",
        "512M, 536870912",
        "512m, 536870912",
        "4K, 4096",
        "4096b, 4096",
        "2G, 2147483648",
        "2g, 2147483648",
        "1T, 1099511627776",
        "8388607T, 9223370937343148032",
        "007K, 7168"
    })
    void suffixMultiplies(String text, long bytes) {
        assertEquals(new MemorySize(bytes), MemorySize.parse(text));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "0",
                "0G",
                "-1",
                "+1",
                "1 G",
                "G",
                "1Q",
                "1GB",
                "1.5G",
                "0x10",
                "8388608T",
                "99999999999999999999",
                "9223372036854775807K",
                "\u0661",
                "1\u212a",
                "\ud83d\ude00"
            })
    void everythingElseIsRefused(String text) {
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> MemorySize.parse(text));
        assertEquals(
                "'" + text + "' is not an amount of memory such as 512M or 2G", e.getMessage());
    }
}
