package io.xenemu.core.hypervisor;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.Locale;

/// Meters of the guests that move from and to a service.
public final class MigrationMetrics {
    /// The results of a migration.
    public enum Result {
        /// The destination runs the guest.
        OK,
        /// One of the sides could not do it, and it was not begun.
        REFUSED,
        /// It was begun, and the source has the guest.
        FAILED,
        /// A side could not know what the other one does.
        UNDECIDED
    }

    private final MeterRegistry registry;
    private final Counter rounds;
    private final Counter bytes;
    private final Counter storage;
    private final Counter written;
    private final Counter pauses;
    private final Timer duration;
    private final Timer downtime;

    public MigrationMetrics(MeterRegistry registry) {
        this.registry = registry;
        for (Result result : Result.values()) {
            Counter _ = counter("out", result);
            Counter _ = counter("in", result);
        }
        rounds =
                Counter.builder("xen.migration.rounds")
                        .description("Rounds of pages that were sent while guests ran.")
                        .register(registry);
        bytes =
                Counter.builder("xen.migration")
                        .baseUnit("bytes")
                        .description("Bytes that were sent for guests that left.")
                        .register(registry);
        storage =
                Counter.builder("xen.migration.storage")
                        .baseUnit("bytes")
                        .description("Bytes of disks that were sent with guests that left.")
                        .register(registry);
        written =
                Counter.builder("xen.migration.written")
                        .baseUnit("pages")
                        .description("Pages that guests wrote while rounds were sent.")
                        .register(registry);
        pauses =
                Counter.builder("xen.migration.pauses")
                        .description(
                                "Connections that were lost while pages followed guests that had left.")
                        .register(registry);
        duration =
                Timer.builder("xen.migration.duration")
                        .description("Time of whole migrations of guests that left.")
                        .register(registry);
        downtime =
                Timer.builder("xen.migration.downtime")
                        .description(
                                "Time from a guest's stop here to the destination's word that it runs.")
                        .register(registry);
    }

    private Counter counter(String direction, Result result) {
        return Counter.builder("xen.migrations")
                .tag("direction", direction)
                .tag("result", result.name().toLowerCase(Locale.ROOT))
                .description("Migrations of guests.")
                .register(registry);
    }

    /// Counts a round that was sent.
    ///
    /// @param pages that the guest has written meanwhile
    public void round(long pages) {
        rounds.increment();
        written.increment((double) pages);
    }

    /// Counts a migration of a guest that was to leave.
    ///
    /// @param sent bytes
    public void left(Result result, long sent, Duration time) {
        counter("out", result).increment();
        bytes.increment((double) sent);
        duration.record(time);
    }

    /// Counts what was sent of the disks of a guest that was to leave.
    ///
    /// @param sent bytes of the disks, before they were compressed
    public void copied(long sent) {
        storage.increment((double) sent);
    }

    /// Counts a migration of a guest that was to leave, and about which an operator has to decide.
    public void undecided() {
        counter("out", Result.UNDECIDED).increment();
    }

    /// Counts a lost connection while pages follow a guest.
    public void paused() {
        pauses.increment();
    }

    /// Notes for how long a guest has not run that has left.
    public void stoodStill(Duration time) {
        downtime.record(time);
    }

    /// Counts a migration of a guest that was to come.
    public void came(Result result) {
        counter("in", result).increment();
    }
}
