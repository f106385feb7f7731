package io.xenemu.core.migration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

/// What follows a round.
final class ConvergencePropertyTest {
    private static final Duration LIMIT = Duration.ofMillis(300);
    private static final Duration SECOND = Duration.ofSeconds(1);

    private static Convergence of(Optional<Duration> timeout, boolean force) {
        return new Convergence(LIMIT, timeout, force, true);
    }

    private static Convergence.Round round(long pages, long written) {
        return new Convergence.Round(pages, SECOND, written);
    }

    @Test
    void guestStopsWhenTheRestTakesNoLongerThanTheLimit() {
        Convergence convergence = of(Optional.empty(), false);
        assertEquals(Convergence.Next.ROUND, convergence.after(round(1000, 301), SECOND));
        assertEquals(Duration.ofMillis(301), convergence.estimate());
        assertEquals(
                Convergence.Next.STOP, of(Optional.empty(), false).after(round(1000, 300), SECOND));
        assertEquals(Convergence.Next.STOP, of(Optional.empty(), false).after(round(0, 0), SECOND));
    }

    @Test
    void timeEndsTheRoundsOneWayOrTheOther() {
        Optional<Duration> timeout = Optional.of(Duration.ofSeconds(5));
        Convergence waits = of(timeout, false);
        assertEquals(
                Convergence.Next.ROUND, waits.after(round(1000, 900), Duration.ofMillis(4999)));
        assertEquals(
                Convergence.Next.GIVE_UP, waits.after(round(1000, 900), Duration.ofSeconds(5)));
        assertEquals(
                Convergence.Next.STOP,
                of(timeout, true).after(round(1000, 900), Duration.ofSeconds(5)));
    }

    @Test
    void guestThatWritesTooFastTwiceIsSlowedDownMoreAndMore() {
        Convergence convergence = of(Optional.empty(), false);
        int last = 0;
        for (int i = 1; i <= 40; i++) {
            assertEquals(Convergence.Next.ROUND, convergence.after(round(1000, 900), SECOND));
            assertEquals(i < 2 ? 0 : Math.min(95, 20 + (i / 2 - 1) * 10), convergence.throttle());
            last = convergence.throttle();
        }
        assertEquals(Convergence.MAX_THROTTLE, last);
        Convergence never = new Convergence(LIMIT, Optional.empty(), false, false);
        for (int i = 0; i < 9; i++) {
            assertEquals(Convergence.Next.ROUND, never.after(round(1000, 900), SECOND));
        }
        assertEquals(0, never.throttle());
    }

    @Property
    void guestIsNeverStoppedForLongerUnlessForced(
            @ForAll @Size(min = 1, max = 30) List<@IntRange(max = 1 << 20) Integer> written,
            @ForAll @IntRange(max = 1 << 20) int pages,
            @ForAll @IntRange(max = 10) int seconds) {
        Convergence convergence = of(Optional.of(Duration.ofSeconds(seconds)), false);
        for (int i = 0; i < written.size(); i++) {
            Convergence.Next next =
                    convergence.after(round(pages, written.get(i)), Duration.ofSeconds(i));
            if (next == Convergence.Next.STOP) {
                assertTrue(written.get(i) == 0 || convergence.estimate().compareTo(LIMIT) <= 0);
            }
            if (next != Convergence.Next.ROUND) {
                return;
            }
            assertTrue(i < seconds);
        }
    }
}
