package io.xenemu.core.hypervisor;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.Locale;

/// Meters of live updates. The process that takes the guests over has those of a success, since the other one ends.
public final class UpdateMetrics {
    /// The results of a live update.
    public enum Result {
        /// This process runs the guests of another one.
        OK,
        /// Something was against it, and nothing was stopped.
        BLOCKED,
        /// The guests went on in the old process, which this is.
        FAILED
    }

    private final MeterRegistry registry;
    private final Timer downtime;

    public UpdateMetrics(MeterRegistry registry) {
        this.registry = registry;
        for (Result result : Result.values()) {
            Counter _ = counter(result);
        }
        downtime =
                Timer.builder("xen.upgrade.downtime")
                        .description(
                                "Time from the guests' stop in the old process until they run in this one.")
                        .register(registry);
    }

    private Counter counter(Result result) {
        return Counter.builder("xen.upgrades")
                .tag("result", result.name().toLowerCase(Locale.ROOT))
                .description("Live updates of the service.")
                .register(registry);
    }

    /// Counts one.
    public void ended(Result result) {
        counter(result).increment();
    }

    /// Notes for how long the guests have not run.
    public void stoodStill(Duration time) {
        downtime.record(time);
    }
}
