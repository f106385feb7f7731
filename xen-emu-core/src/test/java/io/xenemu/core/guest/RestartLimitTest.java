package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

final class RestartLimitTest {
    private static final Duration MOMENT = Duration.ofMillis(300);

    private final RestartLimit limit = new RestartLimit();

    @Test
    void guestThatOnlyRebootsIsDelayedThenGivenUp() {
        List<Long> waits = new ArrayList<>();
        Optional<Duration> wait = limit.next(MOMENT);
        while (wait.isPresent()) {
            waits.add(wait.get().toSeconds());
            wait = limit.next(MOMENT);
        }
        assertEquals(List.of(0L, 0L, 0L, 1L, 2L, 4L, 8L, 16L, 30L, 30L, 30L), waits);
    }

    @Test
    void guestThatRunsBetweenRebootsIsNeverHeldUp() {
        for (int i = 0; i < 1000; i++) {
            assertEquals(Optional.of(Duration.ZERO), limit.next(RestartLimit.QUICK));
        }
    }

    @Test
    void oneLongRunForgivesTheQuickOnes() {
        for (int i = 0; i < RestartLimit.MAX - 1; i++) {
            assertEquals(true, limit.next(MOMENT).isPresent());
        }
        assertEquals(Optional.of(Duration.ZERO), limit.next(RestartLimit.QUICK));
        assertEquals(Optional.of(Duration.ZERO), limit.next(MOMENT));
    }
}
