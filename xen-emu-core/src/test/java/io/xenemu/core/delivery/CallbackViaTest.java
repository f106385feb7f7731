package io.xenemu.core.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The meaning of the values of HVM_PARAM_CALLBACK_IRQ, as in Xen's `hvm_set_callback_via`.
final class CallbackViaTest {
    private static final long INTX = 1L << 56;
    private static final long VECTOR = 2L << 56;

    @ParameterizedTest
    @ValueSource(
            longs = {
                0,
                24,
                0xff,
                0x100,
                VECTOR,
                VECTOR | 0xf,
                3L << 56,
                0xffL << 56,
                -1,
                INTX | 2 << 11
            })
    void valueThatCannotBeServedIsNone(long value) {
        assertEquals(new CallbackVia.None(), CallbackVia.of(value));
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "23, 23", "0x105, 5"})
    void gsiIsALine(String value, int gsi) {
        assertEquals(new CallbackVia.Line(gsi), CallbackVia.of(Long.decode(value)));
    }

    @Test
    void vectorIsInTheLowestByte() {
        assertEquals(new CallbackVia.Vector(0xf3), CallbackVia.of(VECTOR | 0x1f3));
        assertEquals(new CallbackVia.Vector(0x10), CallbackVia.of(VECTOR | 0x10));
    }

    /// Device, pin (A is 0), GSI: ((device << 2) + (device >> 3) + pin) & 31, from 16 on.
    @ParameterizedTest
    @CsvSource({"0, 0, 16", "0, 3, 19", "1, 0, 20", "1, 3, 23", "8, 0, 17", "31, 1, 16"})
    void pciPinIsTheLineThatXenConnectsItTo(int device, int pin, int gsi) {
        assertEquals(new CallbackVia.Line(gsi), CallbackVia.of(INTX | (long) device << 11 | pin));
    }
}
