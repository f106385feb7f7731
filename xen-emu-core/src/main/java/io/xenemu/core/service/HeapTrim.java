package io.xenemu.core.service;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/// Keeps the heap near the size of its live objects. The serial collector costs the least otherwise, but collects old
/// objects only when they fill all that `-Xmx` allows. A store of 17 MiB that is written to would grow to that. So a
/// thread, `heap`, looks every second, and collects everything when much was added. The JVM then gives free memory
/// back, as far as `-XX:MaxHeapFreeRatio` says.
final class HeapTrim implements AutoCloseable {
    private static final long PERIOD_MILLIS = 1000;

    /// The least growth before a collection: several times the young generation, so that an idle daemon never collects.
    static final long MIN_GROWTH = 20 << 20;

    /// The least time between two collections, as a multiple of the first one's length. All guests' exits stand still
    /// during a collection. So a guest that makes the service allocate takes at most a hundredth of the others' time.
    static final int REST = 100;

    private final CountDownLatch closed = new CountDownLatch(1);
    private long limit = MIN_GROWTH;
    private long restsUntil;

    /// @param now in `System.nanoTime()`
    HeapTrim(long now) {
        restsUntil = now;
    }

    /// Looks after the heap of this JVM until it is closed.
    static HeapTrim start() {
        HeapTrim trim = new HeapTrim(System.nanoTime());
        Thread.ofPlatform().name("heap").daemon().start(trim::run);
        return trim;
    }

    private void run() {
        try {
            while (!closed.await(PERIOD_MILLIS, TimeUnit.MILLISECONDS)) {
                long begin = System.nanoTime();
                if (isDue(used(), begin)) {
                    System.gc();
                    collected(used(), begin, System.nanoTime());
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static long used() {
        Runtime runtime = Runtime.getRuntime();
        return runtime.totalMemory() - runtime.freeMemory();
    }

    /// @param used bytes of live objects, and of those that have died since the last collection
    /// @param now in `System.nanoTime()`
    boolean isDue(long used, long now) {
        return used > limit && now - restsUntil >= 0;
    }

    /// @param live bytes that were left; half as much again may be added, so that many bytes share a collection's cost
    /// @param begin of the collection, in `System.nanoTime()`
    /// @param end of the collection
    void collected(long live, long begin, long end) {
        restsUntil = end + REST * (end - begin);
        limit = live + Math.max(live / 2, MIN_GROWTH);
    }

    @Override
    public void close() {
        closed.countDown();
    }
}
