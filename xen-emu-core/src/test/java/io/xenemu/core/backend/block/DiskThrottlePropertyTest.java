package io.xenemu.core.backend.block;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.toolstack.DiskRates;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;

class DiskThrottlePropertyTest {
    private static final long SECOND = 1_000_000_000;
    private static final int LARGEST = 1 << 20;

    /// A guest that always wants more gets the rate: a second's worth more for the burst and one request more for the
    /// last. No less than the rate either.
    @Property(tries = 200)
    void greedyGuestGetsTheRate(
            @ForAll long start,
            @ForAll long seed,
            @ForAll @LongRange(min = 1, max = 100_000) long requests,
            @ForAll @LongRange(min = 1, max = 1L << 32) long bytes) {
        var random = new Random(seed);
        var throttle = new DiskThrottle(new DiskRates(requests, bytes), start);
        long now = start;
        long count = 0;
        long sum = 0;
        while (count < 3000) {
            long wait = throttle.pause(now);
            if (wait > 0) {
                now += wait;
            }
            long size = 512L * (1 + random.nextInt(LARGEST / 512));
            throttle.letIn(size, now);
            count++;
            sum += size;
        }
        double seconds = (now - start) / (double) SECOND;
        double slack = 1.001;
        assertTrue(count <= (seconds + 1) * requests * slack + 1);
        assertTrue(sum <= (seconds + 1) * bytes * slack + LARGEST);
        boolean byRequests = count >= seconds * requests / slack - 1;
        boolean byBytes = sum >= seconds * bytes / slack - LARGEST;
        assertTrue(byRequests || byBytes, "one of the limits is used up");
    }

    /// The time of the past does not add up to more than the burst.
    @Property(tries = 100)
    void idleGuestGetsABurstOfOneSecond(@ForAll @LongRange(min = 1, max = 10_000) long requests) {
        var throttle = new DiskThrottle(new DiskRates(requests, 0), 0);
        long now = 100 * SECOND;
        long count = 0;
        while (throttle.pause(now) <= 0) {
            throttle.letIn(LARGEST, now);
            count++;
        }
        long rounding = requests / 1000 + 1;
        assertTrue(Math.abs(count - requests - 1) <= rounding, count + " of " + requests);
    }
}
