package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class XenVersionTest {
    @Test
    void majorIsInTheUpperHalf() {
        assertEquals(0x0004_0013, XenVersion.parse("4.19").packed());
        assertEquals(0x7fff_ffff, XenVersion.parse("32767.65535").packed());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "4",
                "4.",
                ".19",
                "4.19.1",
                "+4.19",
                "4.-1",
                "4. 19",
                "32768.0",
                "4.65536",
                "999999999999.1",
                "four.nineteen",
                "\u0664.\u0661"
            })
    void everythingElseIsRefused(String text) {
        assertThrows(IllegalArgumentException.class, () -> XenVersion.parse(text));
    }
}
