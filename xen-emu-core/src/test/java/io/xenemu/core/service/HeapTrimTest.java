package io.xenemu.core.service;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class HeapTrimTest {
    private static final long LARGE = 10 * HeapTrim.MIN_GROWTH;

    @Test
    void smallHeapIsLeftAlone() {
        assertFalse(new HeapTrim().isDue(HeapTrim.MIN_GROWTH));
    }

    @Test
    void smallHeapIsDueOnceItHasGrown() {
        HeapTrim trim = new HeapTrim();
        assertTrue(trim.isDue(HeapTrim.MIN_GROWTH + 1));
        trim.collected(1);
        assertFalse(trim.isDue(HeapTrim.MIN_GROWTH + 1));
        assertTrue(trim.isDue(HeapTrim.MIN_GROWTH + 2));
    }

    @Test
    void largeHeapMayGrowByHalfOfWhatIsAlive() {
        HeapTrim trim = new HeapTrim();
        trim.collected(LARGE);
        assertFalse(trim.isDue(LARGE + LARGE / 2));
        assertTrue(trim.isDue(LARGE + LARGE / 2 + 1));
    }
}
