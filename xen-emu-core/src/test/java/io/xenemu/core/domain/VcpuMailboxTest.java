package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.testing.Eventually;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class VcpuMailboxTest {
    private static final int CALLS = 2_000;

    private final ExecutorService threads = Executors.newCachedThreadPool();

    @AfterEach
    void end() {
        threads.shutdownNow();
    }

    private static void nothing() {}

    @Test
    void taskHasRunOnTheOwnersThreadWhenTheCallReturns() throws Exception {
        VcpuMailbox mailbox = new VcpuMailbox();
        CountDownLatch woken = new CountDownLatch(1);
        List<Thread> ranOn = new ArrayList<>();
        Future<Boolean> call =
                threads.submit(() ->
                        mailbox.call(
                                () -> ranOn.add(Thread.currentThread()), woken::countDown, null));

        woken.await();
        mailbox.serve();

        assertTrue(call.get());
        assertEquals(List.of(Thread.currentThread()), ranOn);
    }

    @Test
    void callAfterTheOwnersEndIsRefused() {
        VcpuMailbox mailbox = new VcpuMailbox();
        AtomicInteger ran = new AtomicInteger();
        mailbox.close();

        assertFalse(mailbox.call(ran::incrementAndGet, VcpuMailboxTest::nothing, null));
        mailbox.serve();
        assertEquals(0, ran.get());
    }

    @Test
    void callThatTheOwnersEndOvertakesIsDropped() throws Exception {
        VcpuMailbox mailbox = new VcpuMailbox();
        CountDownLatch woken = new CountDownLatch(1);
        AtomicInteger ran = new AtomicInteger();
        Future<Boolean> call =
                threads.submit(() -> mailbox.call(ran::incrementAndGet, woken::countDown, null));

        woken.await();
        mailbox.close();

        assertFalse(call.get());
        assertEquals(0, ran.get());
    }

    @Test
    void failureReachesTheCallerAndNotTheOwner() throws Exception {
        VcpuMailbox mailbox = new VcpuMailbox();
        CountDownLatch woken = new CountDownLatch(1);
        IllegalStateException failure = new IllegalStateException("of the task");
        Future<Boolean> call =
                threads.submit(() ->
                        mailbox.call(
                                () -> {
                                    throw failure;
                                },
                                woken::countDown,
                                null));

        woken.await();
        mailbox.serve();

        assertSame(failure, assertThrows(ExecutionException.class, call::get).getCause());
    }

    @Test
    void errorThatEndsTheOwnerReleasesTheCaller() throws Exception {
        VcpuMailbox mailbox = new VcpuMailbox();
        CountDownLatch woken = new CountDownLatch(1);
        StackOverflowError error = new StackOverflowError("of the task");
        Future<Boolean> call =
                threads.submit(() ->
                        mailbox.call(
                                () -> {
                                    throw error;
                                },
                                woken::countDown,
                                null));

        woken.await();

        assertSame(error, assertThrows(StackOverflowError.class, mailbox::serve));
        Throwable seen = assertThrows(ExecutionException.class, call::get).getCause();
        assertSame(
                error,
                assertThrows(
                                IllegalStateException.class,
                                () -> {
                                    throw seen;
                                })
                        .getCause());
    }

    @Test
    void interruptedCallerWaitsAndStaysInterrupted() throws Exception {
        VcpuMailbox mailbox = new VcpuMailbox();
        CountDownLatch woken = new CountDownLatch(1);
        AtomicInteger ran = new AtomicInteger();
        Future<Boolean> call =
                threads.submit(() -> {
                    Thread.currentThread().interrupt();
                    assertTrue(mailbox.call(ran::incrementAndGet, woken::countDown, null));
                    return Thread.interrupted();
                });

        woken.await();
        mailbox.serve();

        assertTrue(call.get());
        assertEquals(1, ran.get());
    }

    @Test
    void requestsAreServedInTheirOrder() throws Exception {
        VcpuMailbox mailbox = new VcpuMailbox();
        List<Integer> served = new ArrayList<>();
        List<Future<Boolean>> calls = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            int number = i;
            CountDownLatch woken = new CountDownLatch(1);
            calls.add(
                    threads.submit(
                            () -> mailbox.call(() -> served.add(number), woken::countDown, null)));
            woken.await();
        }

        mailbox.serve();

        for (Future<Boolean> call : calls) {
            assertTrue(call.get());
        }
        assertEquals(List.of(0, 1, 2, 3, 4), served);
    }

    /// Every owner calls the next one in a circle, all at once.
    @Test
    void ownersThatCallEachOtherDoNotDeadlock() throws Exception {
        for (int owners = 2; owners <= 3; owners++) {
            List<VcpuMailbox> mailboxes = new ArrayList<>();
            for (int i = 0; i < owners; i++) {
                mailboxes.add(new VcpuMailbox());
            }
            AtomicInteger ran = new AtomicInteger();
            CountDownLatch finished = new CountDownLatch(owners);
            List<CompletableFuture<?>> ends = new ArrayList<>();
            for (int i = 0; i < owners; i++) {
                VcpuMailbox own = mailboxes.get(i);
                VcpuMailbox next = mailboxes.get((i + 1) % owners);
                ends.add(
                        CompletableFuture.runAsync(
                                () -> circle(own, next, ran, finished), threads));
            }
            for (CompletableFuture<?> end : ends) {
                assertNull(end.get());
            }
            assertEquals(owners * CALLS, ran.get());
        }
    }

    private static void circle(
            VcpuMailbox own, VcpuMailbox next, AtomicInteger ran, CountDownLatch finished) {
        for (int i = 0; i < CALLS; i++) {
            assertTrue(next.call(ran::incrementAndGet, VcpuMailboxTest::nothing, own));
        }
        finished.countDown();
        Eventually.holds(
                "every owner has called",
                () -> {
                    own.serve();
                    return finished.getCount() == 0;
                });
    }
}
