package io.xenemu.core.backend.block;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

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

    /// A guest that alternates short and long ones holds the engine no more.
    @Test
    void longOneMakesTheNextOnesLater() {
        int atOnce = 0;
        for (int i = 0; i < 640; i++) {
            if (!calls.isNextLater()) {
                atOnce++;
                calls.took(SHORT + 1);
            }
        }
        assertEquals(10, atOnce);
    }
}
