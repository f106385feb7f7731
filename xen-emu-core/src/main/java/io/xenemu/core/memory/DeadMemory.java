package io.xenemu.core.memory;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The memory of domains that are gone: the pages that others still use through grants. All other memory has gone
/// back to the host. Any thread may use it.
///
/// A separate thread frees the last pages. The last use may end on a vCPU's thread of another guest, which should not
/// spend its time on unmapping this domain's memory.
public final class DeadMemory implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(DeadMemory.class);

    private final AtomicLong bytes = new AtomicLong();

    /// The thread that frees memory; each of its tasks is the end of one domain.
    private final ThreadPoolExecutor executor =
            new ThreadPoolExecutor(
                    1,
                    1,
                    0,
                    TimeUnit.SECONDS,
                    new LinkedBlockingQueue<>(),
                    Thread.ofPlatform().name("dead-memory").daemon().factory());

    /// Memory of no domain yet.
    public DeadMemory() {}

    /// Registers the gauge.
    public void register(MeterRegistry registry) {
        Gauge.builder("xen.gnttab.dead", bytes, AtomicLong::get)
                .description("Memory of domains that are gone, still used through grants")
                .baseUnit("bytes")
                .register(registry);
    }

    /// Counts the bytes that a domain leaves, and starts the thread that will free the last of them.
    void add(long left) {
        executor.prestartCoreThread();
        bytes.addAndGet(left);
    }

    /// Subtracts freed bytes.
    void subtract(long freed) {
        bytes.addAndGet(-freed);
    }

    /// Bytes left of all domains that are gone.
    long bytes() {
        return bytes.get();
    }

    /// Runs `free` on the separate thread.
    public void later(Runnable free) {
        executor.execute(() -> {
            try {
                free.run();
            } catch (RuntimeException | Error e) {
                log.error("memory of an ended domain cannot be freed", e);
            }
        });
    }

    /// Waits until everything is free. Called after the last domain.
    @Override
    public void close() {
        executor.close();
    }
}
