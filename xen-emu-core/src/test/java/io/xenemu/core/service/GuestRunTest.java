package io.xenemu.core.service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.guest.Guest;
import java.time.Duration;
import org.junit.jupiter.api.Test;

final class GuestRunTest {
    @Test
    void timeoutIsCountedFromNow() {
        long left = GuestRun.deadline(Duration.ofHours(1)) - System.nanoTime();

        assertTrue(left > 0 && left <= Duration.ofHours(1).toNanos());
    }

    @Test
    void timeoutBeyondTheLongestCountsAsNone() {
        assertEquals(Guest.FOREVER, GuestRun.deadline(null));
        assertEquals(Guest.FOREVER, GuestRun.deadline(Duration.ofSeconds(Long.MAX_VALUE)));
    }
}
