package io.xenemu.core.backend.nbd;

import java.time.Duration;

/// The last time that an [NbdStore] was without its connections: since when, when to try again, and what the log has of
/// it. Guarded by the store's lock.
final class NbdOutage {
    /// The shortest pause between attempts to connect.
    static final Duration FIRST_PAUSE = Duration.ofMillis(100);

    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(5);

    /// The time between lines about breaks: a server may end each connection at once.
    private static final Duration LOG_INTERVAL = Duration.ofMinutes(1);

    /// How long requests wait for a server. Linux's disk drivers give up after 30 s too.
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private long since;
    private long count;

    /// Whether the connections have answered a request; the store's first ones count as such.
    private boolean proven = true;

    private long upSince;

    /// Before the next attempt to connect.
    private Duration pause = Duration.ZERO;

    private long nextLine = System.nanoTime();

    /// Whether the log has the last break.
    private boolean told;

    /// The connections have broken. Those that break before an answer are the same outage, unless they have held for a
    /// while.
    ///
    /// @param matters whether anybody wants to read of it
    /// @return whether the log is to have a line
    boolean broken(boolean matters) {
        long now = System.nanoTime();
        if (proven || now - upSince > LONGEST_PAUSE.toNanos()) {
            since = now;
            pause = Duration.ZERO;
        }
        proven = false;
        count++;
        told = matters && now - nextLine >= 0;
        if (told) {
            nextLine = now + LOG_INTERVAL.toNanos();
        }
        return told;
    }

    /// There are connections again.
    ///
    /// @return whether the log is to have a line, as it has one of the break
    boolean connected() {
        upSince = System.nanoTime();
        return told;
    }

    /// A request has been answered.
    void answered() {
        proven = true;
    }

    /// How often connections have broken.
    long count() {
        return count;
    }

    /// Whether requests have waited long enough.
    boolean isLong() {
        return System.nanoTime() - since > PATIENCE.toNanos();
    }

    /// The pause before the next attempt to connect: none before the first, then longer each time.
    Duration nextPause() {
        Duration next = pause;
        Duration doubled = next.isZero() ? FIRST_PAUSE : next.multipliedBy(2);
        pause = doubled.compareTo(LONGEST_PAUSE) < 0 ? doubled : LONGEST_PAUSE;
        return next;
    }
}
