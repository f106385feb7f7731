package io.xenemu.core.backend.block;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class SlowCallsTest {
    private static final long SHORT = 100_000;

    private final SlowCalls calls = new SlowCalls();

    @Test
    void shortOnesAreDoneAtOnce() {
        for (int i = 0; i < 1000; i++) {
            assertFalse(calls.isNextLater());
            calls.took(SHORT);
        }
    }

    @Test
    void longOnesMakeTheNextOnesLater() {
        assertEquals(10 + 2, atOnce(640, 1 << 30, 1 << 30));
    }

    /// A guest that alternates short and long ones holds the engine no more.
    @Test
    void shortOnesBetweenLongOnesDoNotHideThem() {
        int atOnce = atOnce(6400, 1 << 30, 0);
        assertTrue(atOnce < 800, () -> atOnce + " at once");
    }

    /// The thread lost its CPU meanwhile.
    @Test
    void oneLongOneAmongShortOnesChangesNothing() {
        calls.took(1 << 30);
        for (int i = 0; i < 20; i++) {
            assertFalse(calls.isNextLater());
            calls.took(SHORT / 2);
        }
        calls.took(1 << 30);
        assertFalse(calls.isNextLater());
    }

    @Test
    void shortOnesAreDoneAtOnceAgainAfterOneProbe() {
        atOnce(10, 1 << 30, 1 << 30);
        int later = 0;
        while (calls.isNextLater()) {
            later++;
        }
        assertTrue(later > 0);
        calls.took(SHORT);
        assertFalse(calls.isNextLater());
    }

    /// The number of those that are done at once, which take the two times in turn.
    private int atOnce(int count, long... nanos) {
        int atOnce = 0;
        for (int i = 0; i < count; i++) {
            if (!calls.isNextLater()) {
                calls.took(nanos[atOnce % nanos.length]);
                atOnce++;
            }
        }
        return atOnce;
    }
}
