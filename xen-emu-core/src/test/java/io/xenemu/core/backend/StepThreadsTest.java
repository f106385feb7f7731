package io.xenemu.core.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.testing.Eventually;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class StepThreadsTest {
    private static final int MORE = 10;

    private final AtomicInteger platform = new AtomicInteger();
    private final AtomicInteger virtual = new AtomicInteger();
    private final CountDownLatch end = new CountDownLatch(1);

    private void step() {
        AtomicInteger kind = Thread.currentThread().isVirtual() ? virtual : platform;
        kind.incrementAndGet();
        try {
            end.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// However many devices hang, another one can take its step, and no carrier is held before there are many.
    @Test
    void stepsHavePlatformThreadsUpToABoundAndThenVirtualOnes() {
        try (StepThreads threads = new StepThreads()) {
            for (int i = 0; i < StepThreads.MOST + MORE; i++) {
                threads.execute(this::step);
            }
            Eventually.holds(
                    "all have begun",
                    () -> platform.get() + virtual.get() == StepThreads.MOST + MORE);
            assertEquals(StepThreads.MOST, platform.get());
            end.countDown();
        } finally {
            end.countDown();
        }
    }
}
