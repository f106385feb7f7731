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
    /// last. It waits for one of the limits only, and so no longer than both of them one after the other. What one
    /// leaves unused while the other holds the guest up is lost after a second, so neither need be used up.
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
        double most = count / (double) requests + sum / (double) bytes;
        assertTrue(seconds <= most * slack, seconds + " s, not " + most);
    }

    /// One limit alone is used up.
    @Property(tries = 200)
    void greedyGuestUsesUpALimitThatIsAlone(
            @ForAll long start,
            @ForAll long seed,
            @ForAll boolean ofRequests,
            @ForAll @LongRange(min = 1, max = 100_000) long rate) {
        var random = new Random(seed);
        var rates = ofRequests ? new DiskRates(rate, 0) : new DiskRates(0, rate * 512);
        var throttle = new DiskThrottle(rates, start);
        long now = start;
        long sum = 0;
        for (int i = 0; i < 3000; i++) {
            now += Math.max(0, throttle.pause(now));
            long size = 512L * (1 + random.nextInt(LARGEST / 512));
            throttle.letIn(size, now);
            sum += ofRequests ? 1 : size;
        }
        double seconds = (now - start) / (double) SECOND;
        long last = ofRequests ? 1 : LARGEST;
        double wanted = seconds * (ofRequests ? rate : rate * 512) / 1.001 - last;
        assertTrue(sum >= wanted, sum + " of " + wanted);
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
