package io.xenemu.core.hypervisor;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;

/// Meters of the guests that a service saves and restores.
public final class SaveMetrics {
    /// The results of a save or a restore.
    public enum Result {
        OK,
        /// Something of the guest kept it from being saved, and it was not stopped.
        BLOCKED,
        /// The file or the host failed, or an operator cancelled it.
        FAILED
    }

    private final Map<Result, Counter> saves = new EnumMap<>(Result.class);
    private final Map<Result, Counter> restores = new EnumMap<>(Result.class);
    private final Counter savedBytes;
    private final Counter restoredBytes;
    private final Timer saveTime;
    private final Timer restoreTime;
    private final Timer stopped;

    public SaveMetrics(MeterRegistry registry) {
        for (Result result : Result.values()) {
            saves.put(result, counter(registry, "xen.saves", "Saves of guests.", result));
            restores.put(result, counter(registry, "xen.restores", "Restores of guests.", result));
        }
        savedBytes =
                Counter.builder("xen.save")
                        .baseUnit("bytes")
                        .description("Bytes of saved guests that were written.")
                        .register(registry);
        restoredBytes =
                Counter.builder("xen.restore")
                        .baseUnit("bytes")
                        .description("Bytes of saved guests that were read.")
                        .register(registry);
        saveTime = timer(registry, "xen.save.duration", "Time of whole saves.");
        restoreTime = timer(registry, "xen.restore.duration", "Time of whole restores.");
        stopped =
                timer(
                        registry,
                        "xen.save.pause",
                        "Time for which guests stood still that went on after a save.");
    }

    private static Counter counter(
            MeterRegistry registry, String name, String description, Result result) {
        return Counter.builder(name)
                .tag("result", result.name().toLowerCase(Locale.ROOT))
                .description(description)
                .register(registry);
    }

    private static Timer timer(MeterRegistry registry, String name, String description) {
        return Timer.builder(name).description(description).register(registry);
    }

    /// Counts a save.
    ///
    /// @param bytes that were written
    public void saved(Result result, long bytes, Duration time) {
        count(saves, result);
        savedBytes.increment((double) bytes);
        saveTime.record(time);
    }

    /// Counts a restore.
    ///
    /// @param bytes that were read
    public void restored(Result result, long bytes, Duration time) {
        count(restores, result);
        restoredBytes.increment((double) bytes);
        restoreTime.record(time);
    }

    private static void count(Map<Result, Counter> counters, Result result) {
        Counter counter = counters.get(result);
        if (counter != null) {
            counter.increment();
        }
    }

    /// Notes for how long a guest has stood still that goes on.
    public void stoodStill(Duration time) {
        stopped.record(time);
    }
}
