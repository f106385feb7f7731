package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class OrderlyStopTest {
    private static final Duration LONG = Duration.ofMinutes(10);

    private final CountDownLatch atOnce = new CountDownLatch(1);

    /// One guest, which powers off when it has been asked some times.
    private static final class Asked implements OrderlyStop.Guests {
        private final int enough;
        private int times;

        Asked(int enough) {
            this.enough = enough;
        }

        @Override
        public List<String> left() {
            return times < enough ? List.of("web") : List.of();
        }

        @Override
        public void ask() {
            times++;
        }
    }

    @Test
    void guestsAreAskedUntilNoneIsLeft() throws InterruptedException {
        Asked guests = new Asked(3);

        OrderlyStop.run(guests, LONG, atOnce);

        assertEquals(3, guests.times);
    }

    @Test
    void anyNumberOfSecondsIsALimit() throws InterruptedException {
        Asked guests = new Asked(2);

        OrderlyStop.run(guests, Duration.ofSeconds(Long.MAX_VALUE), atOnce);

        assertEquals(2, guests.times);
    }

    @Test
    void waitEndsAtTheLimitIfAGuestDoesNotPowerOff() throws InterruptedException {
        Asked guests = new Asked(Integer.MAX_VALUE);

        OrderlyStop.run(guests, Duration.ofMillis(300), atOnce);

        assertTrue(guests.times > 0);
    }

    @Test
    void secondSignalEndsTheWait() throws InterruptedException {
        Asked guests = new Asked(Integer.MAX_VALUE);
        atOnce.countDown();

        OrderlyStop.run(guests, LONG, atOnce);

        assertEquals(1, guests.times);
    }

    @Test
    void noGuestIsAskedIfTheLimitIsZero() throws InterruptedException {
        Asked guests = new Asked(Integer.MAX_VALUE);

        OrderlyStop.run(guests, Duration.ZERO, atOnce);

        assertEquals(0, guests.times);
    }
}
