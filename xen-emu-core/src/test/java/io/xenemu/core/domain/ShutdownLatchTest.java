package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class ShutdownLatchTest {
    private static final int CALLERS = 4;
    private static final int ROUNDS = 500;

    private final ShutdownLatch latch = new ShutdownLatch();

    @Test
    void runningDomainHasNoReason() throws InterruptedException {
        assertNull(latch.get());
        assertNull(latch.await(0));
    }

    @Test
    void firstReasonStays() throws InterruptedException {
        assertTrue(latch.set(ShutdownReason.REBOOT, "first"));
        assertFalse(latch.set(ShutdownReason.CRASH, "second"));

        ShutdownLatch.Outcome first = new ShutdownLatch.Outcome(ShutdownReason.REBOOT, "first");
        assertEquals(first, latch.get());
        assertEquals(first, latch.await(Long.MAX_VALUE));
    }

    @Test
    void waitEndsWhenTheReasonComes() throws Exception {
        try (ExecutorService threads = Executors.newSingleThreadExecutor()) {
            Future<ShutdownReason> reason =
                    threads.submit(() -> {
                        ShutdownLatch.Outcome outcome = latch.await(Long.MAX_VALUE);
                        return outcome == null ? ShutdownReason.HOST_ERROR : outcome.reason();
                    });

            latch.set(ShutdownReason.POWEROFF, "");

            assertEquals(ShutdownReason.POWEROFF, reason.get());
        }
    }

    @Test
    void listenerIsCalledWheneverTheReasonComes() {
        List<String> heard = new ArrayList<>();
        latch.onSet(() -> heard.add("early"));
        assertEquals(List.of(), heard);
        latch.set(ShutdownReason.POWEROFF, "");
        assertEquals(List.of("early"), heard);

        latch.onSet(() -> heard.add("late"));
        latch.set(ShutdownReason.CRASH, "");

        assertEquals(List.of("early", "late"), heard);
    }

    @Test
    void oneOfManyCallersDecides() throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(CALLERS)) {
            for (int round = 0; round < ROUNDS; round++) {
                ShutdownLatch contended = new ShutdownLatch();
                CyclicBarrier together = new CyclicBarrier(CALLERS);
                List<Future<Boolean>> callers = new ArrayList<>();
                for (int i = 0; i < CALLERS; i++) {
                    String message = Integer.toString(i);
                    callers.add(
                            threads.submit(() -> {
                                together.await();
                                return contended.set(ShutdownReason.CRASH, message);
                            }));
                }
                List<String> winners = new ArrayList<>();
                for (int i = 0; i < CALLERS; i++) {
                    if (callers.get(i).get()) {
                        winners.add(Integer.toString(i));
                    }
                }
                ShutdownLatch.Outcome outcome = contended.get();
                assertNotNull(outcome);
                assertEquals(List.of(outcome.message()), winners);
            }
        }
    }
}
