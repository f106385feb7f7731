package io.xenemu.xenstore.persist;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/// What an operator sees of a store's file.
public final class JournalMetrics {
    private final Timer commits;
    private final AtomicLong size = new AtomicLong();

    /// @param registry where to count
    public JournalMetrics(MeterRegistry registry) {
        commits =
                Timer.builder("xen.xenstore.persist.commit")
                        .description("Time to get the changes of a batch of requests to the disk")
                        .register(registry);
        Gauge.builder("xen.xenstore.persist.size", size, AtomicLong::doubleValue)
                .description("Size of the file that keeps the store")
                .baseUnit("bytes")
                .strongReference(true)
                .register(registry);
    }

    void committed(long nanos, long fileSize) {
        commits.record(nanos, TimeUnit.NANOSECONDS);
        size.set(fileSize);
    }

    void size(long fileSize) {
        size.set(fileSize);
    }
}
