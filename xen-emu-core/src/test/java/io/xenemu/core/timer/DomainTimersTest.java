package io.xenemu.core.timer;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.kvm.testing.Eventually;
import java.time.Duration;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class DomainTimersTest {
    private static final long PERIOD_NANOS = 1_000_000;

    private final BlockingQueue<Throwable> failures = new ArrayBlockingQueue<>(8);
    private final DomainTimers timers = new DomainTimers("test", failures::add);

    @AfterEach
    void close() {
        timers.close();
    }

    @Test
    void timerTicksUntilItIsCancelled() throws InterruptedException {
        CountDownLatch ticks = new CountDownLatch(3);
        Future<?> timer = timers.start(PERIOD_NANOS, ticks::countDown);
        assertNotNull(timer);

        ticks.await();

        assertFalse(timer.isDone());
        timer.cancel(false);
    }

    @Test
    void failedTickIsReported() throws InterruptedException {
        IllegalStateException failure = new IllegalStateException("of the tick");

        Future<?> timer =
                timers.start(
                        PERIOD_NANOS,
                        () -> {
                            throw failure;
                        });

        assertNotNull(timer);
        assertSame(failure, failures.take());
    }

    @Test
    void endDoesNotWaitForOneShotTimers() {
        Future<?> timer = timers.startOnce(Long.MAX_VALUE / 2, () -> {});
        assertNotNull(timer);

        timers.close();

        assertTrue(timer.isCancelled());
    }

    @Test
    void endWaitsForATimerThatStartsOthers() {
        AtomicBoolean refused = new AtomicBoolean();
        CountDownLatch running = new CountDownLatch(1);
        assertNotNull(
                timers.startOnce(
                        0,
                        () -> {
                            running.countDown();
                            Eventually.holds(
                                    "timers are refused",
                                    () -> timers.startOnce(Long.MAX_VALUE / 2, () -> {}) == null);
                            refused.set(true);
                        }));
        Uninterruptibles.awaitUninterruptibly(running);

        timers.close();

        assertTrue(refused.get());
    }

    @Test
    void nothingStartsAfterTheEnd() {
        timers.close();
        AtomicBoolean ran = new AtomicBoolean();

        assertNull(timers.start(PERIOD_NANOS, () -> ran.set(true)));
        assertNull(timers.startOnce(0, () -> ran.set(true)));
        assertFalse(ran.get());
    }

    @Test
    void tickInProgressIsWaitedFor() throws InterruptedException {
        CountDownLatch began = new CountDownLatch(1);
        AtomicBoolean ended = new AtomicBoolean();
        assertNotNull(
                timers.startOnce(
                        0,
                        () -> {
                            began.countDown();
                            Uninterruptibles.sleepUninterruptibly(Duration.ofMillis(20));
                            ended.set(true);
                        }));
        began.await();

        timers.awaitTick();

        assertTrue(ended.get());
    }

    @Test
    void nothingIsWaitedForWithoutATimer() {
        timers.awaitTick();
        timers.close();
        timers.awaitTick();

        assertTrue(failures.isEmpty());
    }
}
