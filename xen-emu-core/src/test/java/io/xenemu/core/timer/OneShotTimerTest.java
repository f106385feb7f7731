package io.xenemu.core.timer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class OneShotTimerTest {
    private static final long FAR = Long.MAX_VALUE / 2;

    private final AtomicLong clock = new AtomicLong(1000);
    private final LinkedBlockingQueue<Long> expiries = new LinkedBlockingQueue<>();
    private final DomainTimers timers = new DomainTimers("test", e -> {});
    private final OneShotTimer timer =
            new OneShotTimer(timers, clock::get, () -> expiries.add(clock.get()));

    @AfterEach
    void close() {
        timers.close();
    }

    @Test
    void deadlineInThePastExpiresAtOnce() throws InterruptedException {
        timer.set(1);
        assertEquals(1000, expiries.take());

        timer.set(Long.MIN_VALUE);
        assertEquals(1000, expiries.take());
        assertEquals(0, timer.stop());
    }

    @Test
    void guestsClockDecides() throws InterruptedException {
        // The guest's clock stands still, so the host's time alone never makes it expire.
        timer.set(2000);
        assertNotNull(timers.startOnce(5_000_000, () -> clock.set(2000)));

        assertEquals(2000, expiries.take());
    }

    @Test
    void stoppedTimerReturnsItsDeadline() {
        timer.set(FAR);

        assertEquals(FAR, timer.stop());
        assertEquals(0, timer.stop());
        assertTrue(expiries.isEmpty());
    }

    @Test
    void laterSettingReplacesTheFormer() throws InterruptedException {
        timer.set(FAR);
        timer.set(5);
        assertEquals(1000, expiries.take());

        timer.set(FAR);
        timer.set(0);
        assertEquals(0, timer.stop());
        assertTrue(expiries.isEmpty());
    }
}
