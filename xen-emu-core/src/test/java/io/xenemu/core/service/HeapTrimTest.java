package io.xenemu.core.service;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class HeapTrimTest {
    private static final long LARGE = 10 * HeapTrim.MIN_GROWTH;
    private static final long NOW = 5;
    private static final long LENGTH = 30;

    @Test
    void smallHeapIsLeftAlone() {
        assertFalse(new HeapTrim(NOW).isDue(HeapTrim.MIN_GROWTH, NOW));
    }

    @Test
    void smallHeapIsDueOnceItHasGrown() {
        HeapTrim trim = new HeapTrim(NOW);
        assertTrue(trim.isDue(HeapTrim.MIN_GROWTH + 1, NOW));
        trim.collected(1, NOW, NOW);
        assertFalse(trim.isDue(HeapTrim.MIN_GROWTH + 1, NOW));
        assertTrue(trim.isDue(HeapTrim.MIN_GROWTH + 2, NOW));
    }

    @Test
    void largeHeapMayGrowByHalfOfItsLiveBytes() {
        HeapTrim trim = new HeapTrim(NOW);
        trim.collected(LARGE, NOW, NOW);
        assertFalse(trim.isDue(LARGE + LARGE / 2, NOW));
        assertTrue(trim.isDue(LARGE + LARGE / 2 + 1, NOW));
    }

    @Test
    void nextCollectionWaitsAHundredTimesThePreviousOnesLength() {
        HeapTrim trim = new HeapTrim(NOW);
        trim.collected(1, NOW, NOW + LENGTH);
        long next = NOW + LENGTH + HeapTrim.REST * LENGTH;
        assertFalse(trim.isDue(LARGE, next - 1));
        assertTrue(trim.isDue(LARGE, next));
    }
}
