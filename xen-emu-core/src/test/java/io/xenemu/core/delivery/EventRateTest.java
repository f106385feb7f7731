package io.xenemu.core.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/// The limit of a thread's runs that a guest causes.
final class EventRateTest {
    /// `System.nanoTime()` may be anything, and overflow.
    private static final long START = Math.subtractExact(Long.MAX_VALUE, 1_000_000);

    private final EventRate rate = new EventRate(START);

    private void spendBurst(long now) {
        for (int i = 1; i < EventRate.BURST; i++) {
            assertEquals(0, rate.ran(now));
        }
    }

    @Test
    void aBurstIsNotHeldUp() {
        spendBurst(START);
        assertEquals(EventRate.INTERVAL_NANOS, rate.ran(START));
    }

    @Test
    void afterABurstThereIsOneRunInEachInterval() {
        spendBurst(START);
        long now = START;
        for (int i = 0; i < 100; i++) {
            long pause = rate.ran(now);
            assertEquals(EventRate.INTERVAL_NANOS, pause);
            now += pause;
        }
    }

    @Test
    void oneRunInEachIntervalIsNeverHeldUp() {
        for (int i = 0; i < 1000; i++) {
            assertEquals(0, rate.ran(START + i * EventRate.INTERVAL_NANOS));
        }
    }

    @Test
    void pauseAllowsAnotherBurstAndNoMore() {
        spendBurst(START);
        long later = START + 10_000 * EventRate.INTERVAL_NANOS;
        spendBurst(later);
        assertEquals(EventRate.INTERVAL_NANOS, rate.ran(later));
    }
}
