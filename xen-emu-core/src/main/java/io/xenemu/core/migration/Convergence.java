package io.xenemu.core.migration;

import java.time.Duration;
import java.util.Optional;

/// Decides after each round of a migration what comes next: another round, the end of the guest's run here, or none of
/// both. It also decides how much the guest's vCPUs are slowed down. Plain data without a clock.
public final class Convergence {
    /// A guest that has written so large a part of what a round has sent is slowed down, if that happens twice.
    private static final double TOO_FAST = 0.5;

    private static final int STRIKES = 2;
    private static final int FIRST_THROTTLE = 20;
    private static final int THROTTLE_STEP = 10;

    /// The guest still gets a twentieth of its time.
    static final int MAX_THROTTLE = 95;

    private final Duration downtimeLimit;
    private final Optional<Duration> timeout;
    private final boolean force;
    private final boolean throttles;
    private double nanos;
    private double pages;
    private int strikes;
    private int throttle;
    private Duration estimate = Duration.ZERO;

    /// The next step.
    public enum Next {
        ROUND,
        /// The guest stops, and its last pages are sent.
        STOP,
        /// The time is over: the guest goes on here.
        GIVE_UP
    }

    /// A round that was sent.
    ///
    /// @param pages that were sent
    /// @param time that it took
    /// @param written the pages that the guest has written meanwhile
    public record Round(long pages, Duration time, long written) {}

    /// @param downtimeLimit the longest estimated time to send the last pages
    /// @param timeout the longest time for all rounds
    /// @param force whether the guest stops after that time, instead of going on here
    /// @param throttles whether vCPUs may be slowed down
    public Convergence(
            Duration downtimeLimit, Optional<Duration> timeout, boolean force, boolean throttles) {
        this.downtimeLimit = downtimeLimit;
        this.timeout = timeout;
        this.force = force;
        this.throttles = throttles;
    }

    /// Decides after a round.
    ///
    /// @param since the time since the first round began
    public Next after(Round round, Duration since) {
        nanos += round.time().toNanos();
        pages += round.pages();
        // Without a page, nothing is known of the connection but that it has cost this time.
        estimate =
                Duration.ofNanos(
                        (long) Math.min(1e18, round.written() * nanos / Math.max(1, pages)));
        if (round.written() == 0 || estimate.compareTo(downtimeLimit) <= 0) {
            return Next.STOP;
        }
        if (timeout.isPresent() && since.compareTo(timeout.get()) >= 0) {
            return force ? Next.STOP : Next.GIVE_UP;
        }
        if (round.written() > round.pages() * TOO_FAST) {
            strikes++;
        }
        if (throttles && strikes >= STRIKES) {
            strikes = 0;
            throttle =
                    throttle == 0
                            ? FIRST_THROTTLE
                            : Math.min(MAX_THROTTLE, throttle + THROTTLE_STEP);
        }
        return Next.ROUND;
    }

    /// The part of the time for which the vCPUs are to stand still, in percent.
    public int throttle() {
        return throttle;
    }

    /// The estimated time to send what the guest had written at the end of the last round.
    public Duration estimate() {
        return estimate;
    }
}
