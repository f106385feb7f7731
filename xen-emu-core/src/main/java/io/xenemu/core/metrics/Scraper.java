package io.xenemu.core.metrics;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.util.concurrent.locks.ReentrantLock;

/// Makes the text of all meters, once at a time. So concurrent clients take at most one processor, and no more heap
/// than the texts that they have not read.
final class Scraper {
    private final PrometheusMeterRegistry registry;
    private final ReentrantLock lock = new ReentrantLock();

    Scraper(PrometheusMeterRegistry registry) {
        this.registry = registry;
    }

    byte[] scrape() {
        lock.lock();
        try {
            return registry.scrape().getBytes(UTF_8);
        } finally {
            lock.unlock();
        }
    }
}
