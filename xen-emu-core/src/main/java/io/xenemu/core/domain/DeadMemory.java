package io.xenemu.core.domain;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What is left of domains that are gone: the pages that others use because they were granted. All else has been given back to
/// the host. Any thread may use it.
///
/// The last of it is freed by a thread of its own. Whoever ends the last use may be a vCPU of a guest, which is not to spend
/// its time on another domain's mappings.
public final class DeadMemory implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(DeadMemory.class);

    private final AtomicLong bytes = new AtomicLong();

    /// As long as there are domains: each of the tasks is the end of one.
    private final ThreadPoolExecutor executor =
            new ThreadPoolExecutor(
                    1,
                    1,
                    0,
                    TimeUnit.SECONDS,
                    new LinkedBlockingQueue<>(),
                    Thread.ofPlatform().name("dead-memory").daemon().factory());

    /// Nobody is dead yet.
    public DeadMemory() {}

    /// Registers what an operator sees of it.
    public void register(MeterRegistry registry) {
        Gauge.builder("xen.gnttab.dead", bytes, AtomicLong::get)
                .description("Memory of domains that are gone, which others use by a grant")
                .baseUnit("bytes")
                .register(registry);
    }

    /// Counts what a domain leaves, with the thread ready that frees the last of it.
    void add(long left) {
        executor.prestartCoreThread();
        bytes.addAndGet(left);
    }

    /// Counts what is no longer there.
    void subtract(long freed) {
        bytes.addAndGet(-freed);
    }

    /// Bytes that are left of all domains.
    long bytes() {
        return bytes.get();
    }

    /// Runs `free` on the thread of its own.
    void later(Runnable free) {
        executor.execute(() -> {
            try {
                free.run();
            } catch (RuntimeException | Error e) {
                log.error("memory of a domain that is gone cannot be freed", e);
            }
        });
    }

    /// After the last domain: waits until all is free.
    @Override
    public void close() {
        executor.close();
    }
}
