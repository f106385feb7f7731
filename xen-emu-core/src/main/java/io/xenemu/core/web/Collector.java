package io.xenemu.core.web;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.json.Json;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Asks the service for what the page shows, once a period, and only while somebody looks. Any number of viewers costs
/// the service the same.
final class Collector {
    private static final Logger log = LoggerFactory.getLogger(Collector.class);

    private final Watched service;
    private final HostView host;
    private final ActionLog actions;
    private final InstantSource clock;
    private final Duration period;

    // Guarded by this.
    private int viewers;
    private boolean isRunning;
    private Round round = new Round(0, Snapshot.EMPTY);

    private final Object asking = new Object();
    // Guarded by asking.
    private @Nullable Snapshot last;
    private long asked;

    /// One answer.
    ///
    /// @param number rises with each
    /// @param snapshot the answer
    record Round(long number, Snapshot snapshot) {}

    /// @param period between two questions
    Collector(
            Watched service,
            HostView host,
            ActionLog actions,
            InstantSource clock,
            Duration period) {
        this.service = service;
        this.host = host;
        this.actions = actions;
        this.clock = clock;
        this.period = period;
    }

    /// Begins to look.
    ///
    /// @return the number after which the first answer for this viewer comes: one from before nobody looked is too old
    synchronized long join() {
        viewers++;
        notifyAll();
        if (isRunning) {
            return 0;
        }
        isRunning = true;
        Thread _ = Thread.ofVirtual().name("web-collector").start(this::run);
        return round.number;
    }

    /// Looks no more.
    synchronized void leave() {
        viewers--;
        notifyAll();
    }

    /// Whether the service is asked.
    synchronized boolean isRunning() {
        return isRunning;
    }

    /// Waits for a newer answer.
    ///
    /// @param number of the last one; 0 at the beginning
    synchronized Round after(long number) throws InterruptedException {
        while (round.number <= number) {
            wait();
        }
        return round;
    }

    private void run() {
        try {
            boolean failed = true;
            while (failed) {
                failed = !untilNobodyLooks();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// @return false after a failure, such as no heap for an answer: it looks again
    private boolean untilNobodyLooks() throws InterruptedException {
        try {
            while (goesOn()) {
                Snapshot next = collect();
                synchronized (this) {
                    round = new Round(round.number + 1, next);
                    notifyAll();
                }
            }
            return true;
        } catch (RuntimeException | Error e) {
            log.error("the page's collector has failed: this is a bug", e);
            Thread.sleep(period);
            return false;
        }
    }

    /// The last answer, or a new one if that is older than a period. One caller asks, and the others wait for it.
    Snapshot latest() {
        synchronized (asking) {
            Snapshot known = last;
            long now = System.nanoTime();
            if (known == null || now - asked >= period.toNanos()) {
                known = collect();
                last = known;
                asked = now;
            }
            return known;
        }
    }

    /// Waits for the next period.
    ///
    /// @return false if nobody looks: the next viewer starts another thread
    private synchronized boolean goesOn() throws InterruptedException {
        long end = System.nanoTime() + (round.number == 0 ? 0 : period.toNanos());
        for (long left = end - System.nanoTime();
                viewers > 0 && left > 0;
                left = end - System.nanoTime()) {
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
        isRunning = viewers > 0;
        return isRunning;
    }

    /// Asks once.
    Snapshot collect() {
        Map<String, Json> values = new LinkedHashMap<>();
        values.put("at", new Json.Int(clock.millis()));
        try {
            values.put("host", host.read());
        } catch (IOException e) {
            log.debug("the host's facts: {}", e.toString());
        }
        try {
            for (Json.Obj row : service.rows(List.of("list"), "domains")) {
                if (row.find("id") instanceof Json.Int(var id)) {
                    values.put("domain/" + id, row);
                }
            }
            values.put("service", Json.EMPTY.with("ok", new Json.Bool(true)));
            addMigrations(values);
        } catch (HostException e) {
            values.put(
                    "service",
                    Json.EMPTY
                            .with("ok", new Json.Bool(false))
                            .with("reason", String.valueOf(e.getMessage())));
        } catch (RuntimeException e) {
            log.error("the page's collector has failed: this is a bug", e);
            values.put(
                    "service", Json.EMPTY.with("ok", new Json.Bool(false)).with("reason", "" + e));
        }
        values.put("log", actions.rows());
        return new Snapshot(new Json.Obj(values));
    }

    /// A service that runs one guest in the foreground has none.
    private void addMigrations(Map<String, Json> values) {
        try {
            for (Json.Obj row : service.rows(List.of("migrate-status"), "migrations")) {
                values.put("migration/" + row.text("id"), row);
            }
        } catch (HostException e) {
            log.debug("no migrations: {}", e.toString());
        }
    }
}
