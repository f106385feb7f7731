package io.xenemu.xenstore.persist;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/// The meters of a store's file.
public final class JournalMetrics {
    private final Timer commits;
    private final Counter refused;
    private final AtomicInteger full = new AtomicInteger();
    private final AtomicLong size = new AtomicLong();

    /// @param registry holds the meters
    public JournalMetrics(MeterRegistry registry) {
        commits =
                Timer.builder("xen.xenstore.persist.commit")
                        .description("Time to write the changes of a batch of requests to the disk")
                        .register(registry);
        Gauge.builder("xen.xenstore.persist.size", size, AtomicLong::doubleValue)
                .description("Size of the file that keeps the store")
                .baseUnit("bytes")
                .strongReference(true)
                .register(registry);
        refused =
                Counter.builder("xen.xenstore.persist.refused")
                        .description("Changes refused because the file's disk has no room for them")
                        .register(registry);
        Gauge.builder("xen.xenstore.persist.full", full, AtomicInteger::doubleValue)
                .description("1 while the file's disk has no room for changes")
                .strongReference(true)
                .register(registry);
    }

    void refused() {
        refused.increment();
    }

    void full(boolean isFull) {
        full.set(isFull ? 1 : 0);
    }

    void committed(long nanos, long fileSize) {
        commits.record(nanos, TimeUnit.NANOSECONDS);
        size.set(fileSize);
    }

    void size(long fileSize) {
        size.set(fileSize);
    }
}
