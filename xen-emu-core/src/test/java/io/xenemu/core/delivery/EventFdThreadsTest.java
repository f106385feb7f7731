package io.xenemu.core.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.kvm.testing.Eventually;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class EventFdThreadsTest {
    /// Events in one attempt: enough to cause a pause, however long the wait between two attempts is.
    private static final int FLOOD = 10_000;

    private final List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
    private final EventFdThreads threads =
            new EventFdThreads((who, failure) -> failures.add(failure));

    @AfterEach
    void close() {
        threads.close();
    }

    /// A guest can send on its console's port all the time (XSA-332).
    @Test
    void aFloodOfEventsKeepsNoOtherProcessorBusy() {
        AtomicInteger runs = new AtomicInteger();
        EventFdThread thread = threads.startLimited("flooded", runs::incrementAndGet);
        long start = System.nanoTime();
        long elapsed = 0;
        while (elapsed < 200_000_000) {
            thread.eventFd().signal();
            elapsed = System.nanoTime() - start;
        }
        int allowed = EventRate.BURST + Math.toIntExact(elapsed / EventRate.INTERVAL_NANOS) + 1;
        assertTrue(runs.get() <= allowed, () -> runs + " of " + allowed);
        assertTrue(threads.pauses().sum() > 0);
    }

    @Test
    void theLastEventOfAFloodIsServed() {
        AtomicLong sent = new AtomicLong();
        AtomicLong seen = new AtomicLong();
        EventFdThread thread = threads.startLimited("flooded", () -> seen.set(sent.get()));
        for (int i = 0; i < 1000; i++) {
            sent.incrementAndGet();
            thread.eventFd().signal();
        }
        Eventually.holds("the last event is served", () -> seen.get() == 1000);
    }

    @Test
    void heldThreadsServeEventsOnlyAfterTheirRelease() throws InterruptedException {
        AtomicInteger runs = new AtomicInteger();
        EventFdThread thread = threads.start("held", runs::incrementAndGet);
        assertTrue(threads.hold(Duration.ofSeconds(30)));
        thread.eventFd().signal();
        sleep(20);
        assertEquals(0, runs.get());
        threads.release();
        Eventually.holds("the task runs", () -> runs.get() > 0);
    }

    @Test
    void holdWaitsForATaskAndFailsIfItDoesNotEnd() throws InterruptedException {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch end = new CountDownLatch(1);
        AtomicInteger runs = new AtomicInteger();
        EventFdThread thread =
                threads.start(
                        "busy",
                        () -> {
                            begun.countDown();
                            Uninterruptibles.awaitUninterruptibly(end);
                            runs.incrementAndGet();
                        });
        thread.eventFd().signal();
        begun.await();
        assertFalse(threads.hold(Duration.ofMillis(20)));
        end.countDown();
        assertTrue(threads.hold(Duration.ofSeconds(30)));
        assertEquals(1, runs.get());
        // Threads that are held end with the domain, too.
        thread.eventFd().signal();
    }

    @Test
    void noTaskRunsAfterTheEnd() throws InterruptedException {
        AtomicInteger running = new AtomicInteger();
        AtomicInteger begun = new AtomicInteger();
        EventFdThread thread =
                threads.start(
                        "slow",
                        () -> {
                            running.incrementAndGet();
                            begun.incrementAndGet();
                            sleep(20);
                            running.decrementAndGet();
                        });
        thread.eventFd().signal();
        Eventually.holds("a task begins", () -> begun.get() > 0);
        thread.close();
        threads.close();
        assertEquals(0, running.get());
    }

    private static void sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    void failureOfATaskIsReportedAndTheThreadGoesOn() {
        AtomicInteger runs = new AtomicInteger();
        EventFdThread thread =
                threads.start(
                        "failing",
                        () -> {
                            if (runs.incrementAndGet() == 1) {
                                throw new AssertionError("test");
                            }
                        });
        thread.eventFd().signal();
        Eventually.holds("a failure", () -> !failures.isEmpty());
        thread.eventFd().signal();
        Eventually.holds("a second run", () -> runs.get() >= 2);
        assertEquals(1, failures.size());
    }

    /// A thread closes its eventfd when it sees that it has to end. The closing thread may still have to signal it.
    @Test
    void closingTwiceWhileTheThreadEndsIsHarmless() {
        for (int i = 0; i < 500; i++) {
            EventFdThread thread = threads.start("short", () -> {});
            thread.eventFd().signal();
            thread.close();
            thread.close();
        }
        threads.close();
        assertTrue(failures.isEmpty());
    }

    @Test
    void threadThatCannotWaitAnyMoreIsReportedAndCanBeClosed() {
        AtomicReference<EventFdThread> itself = new AtomicReference<>();
        itself.set(threads.start("broken", () -> itself.get().eventFd().close()));
        itself.get().eventFd().signal();
        Eventually.holds("its end", () -> !threads.isRunning());
        assertEquals(1, failures.size());
        itself.get().close();
    }

    @Test
    void aPauseEndsWithTheThread() {
        EventFdThread thread = threads.startLimited("flooded", () -> {});
        Eventually.holds(
                "a pause",
                () -> {
                    for (int i = 0; i < FLOOD; i++) {
                        thread.eventFd().signal();
                    }
                    return threads.pauses().sum() > 0;
                });
        threads.close();
        assertFalse(threads.isRunning());
    }
}
