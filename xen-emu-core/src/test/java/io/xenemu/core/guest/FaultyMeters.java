package io.xenemu.core.guest;

import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.cumulative.CumulativeTimer;
import io.micrometer.core.instrument.distribution.DistributionStatisticConfig;
import io.micrometer.core.instrument.distribution.pause.PauseDetector;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/// Meters of which a timer can fail, as a bug of whoever uses it would.
final class FaultyMeters extends SimpleMeterRegistry {
    private final AtomicReference<String> failing = new AtomicReference<>("");

    /// Lets a timer fail the next time.
    ///
    /// @param timer its name
    void failNext(String timer) {
        failing.set(timer);
    }

    @Override
    protected Timer newTimer(
            Meter.Id id, DistributionStatisticConfig config, PauseDetector pauseDetector) {
        return new CumulativeTimer(id, clock, config, pauseDetector, getBaseTimeUnit(), false) {
            @Override
            protected void recordNonNegative(long amount, TimeUnit unit) {
                if (failing.compareAndSet(id.getName(), "")) {
                    throw new IllegalStateException("a bug");
                }
                super.recordNonNegative(amount, unit);
            }
        };
    }
}
