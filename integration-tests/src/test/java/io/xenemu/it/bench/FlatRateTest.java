package io.xenemu.it.bench;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class FlatRateTest {
    private static boolean isFlatAfter(double... times) {
        FlatRate rate = new FlatRate();
        for (double time : times) {
            rate.add(time);
        }
        return rate.isFlat();
    }

    @Test
    void rateThatStaysIsFlat() {
        assertTrue(isFlatAfter(900, 100, 100, 104, 99, 100, 130));
    }

    @Test
    void rateThatStillRisesIsNotFlat() {
        assertFalse(isFlatAfter(900, 100, 100, 100, 100, 97, 97));
    }

    @Test
    void smallStepsAddUp() {
        assertFalse(isFlatAfter(100, 99, 98.5, 97, 97, 96.5, 96));
    }

    @Test
    void fewWindowsAreNotEnough() {
        assertFalse(isFlatAfter(100, 100, 100, 100));
    }
}
