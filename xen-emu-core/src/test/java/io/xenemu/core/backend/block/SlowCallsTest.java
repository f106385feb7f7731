package io.xenemu.core.backend.block;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class SlowCallsTest {
    private static final long SHORT = 250_000;

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
        // Four, and one in 64 of the others.
        assertEquals(4 + 9, atOnce(640, 1 << 30, 1 << 30));
    }

    /// A guest that alternates short and long ones holds the engine no more.
    @Test
    void shortOnesBetweenLongOnesDoNotHideThem() {
        int atOnce = atOnce(6400, 1 << 30, 0);
        assertTrue(atOnce < 800, () -> atOnce + " at once");
    }

    /// The thread loses its CPU now and then.
    @Test
    void fewLongOnesAmongShortOnesChangeNothing() {
        assertEquals(1000, atOnce(1000, SHORT / 2, SHORT / 2, 1 << 30, SHORT / 2, SHORT / 2));
        assertEquals(1000, atOnce(1000, 1 << 30, SHORT, SHORT, SHORT));
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
