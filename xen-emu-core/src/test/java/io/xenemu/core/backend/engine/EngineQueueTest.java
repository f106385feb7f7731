package io.xenemu.core.backend.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.kvm.thread.CpuAffinity;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class EngineQueueTest {
    private static final Duration LONG = Duration.ofSeconds(30);
    private static final DomId GUEST = new DomId(1);
    private static final DomId OTHER = new DomId(2);

    private final List<EngineQueue> queues = new ArrayList<>();
    private final List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
    private final Engines engines =
            new Engines(
                    List.of(EngineSpec.parse("block:0"), EngineSpec.parse("block:1")),
                    new SimpleMeterRegistry());
    private final DomainEngines guest = engines.open(GUEST, EngineMap.DEFAULT);
    private final DomainEngines other = engines.open(OTHER, EngineMap.DEFAULT);

    EngineQueueTest() throws XenError {}

    @AfterEach
    void close() {
        queues.forEach(EngineQueue::close);
        guest.close();
        other.close();
        engines.close();
    }

    private EngineQueue queue(DomainEngines of, int index, QueueWork work) {
        EngineQueue queue = of.add(EngineClass.BLOCK, "vbd-51712", index, work, failures::add);
        queues.add(queue);
        queue.release();
        return queue;
    }

    /// @param hasMore work after which the queue signals itself if it returns true
    private EngineQueue repeating(DomainEngines of, BooleanSupplier hasMore) {
        AtomicReference<EngineQueue> self = new AtomicReference<>();
        EngineQueue queue =
                of.add(
                        EngineClass.BLOCK,
                        "vbd-51712",
                        0,
                        () -> {
                            if (hasMore.getAsBoolean()) {
                                Objects.requireNonNull(self.get()).signal();
                            }
                            return true;
                        },
                        failures::add);
        self.set(queue);
        queues.add(queue);
        queue.release();
        return queue;
    }

    /// Work that waits in its first run until the test ends it.
    private static final class Blocked implements QueueWork {
        private final CountDownLatch begun = new CountDownLatch(1);
        private final CountDownLatch end = new CountDownLatch(1);
        private final AtomicInteger runs = new AtomicInteger();

        @Override
        public boolean run() {
            begun.countDown();
            await(end);
            runs.incrementAndGet();
            return true;
        }
    }

    private static QueueWork counting(AtomicInteger runs) {
        return () -> {
            runs.incrementAndGet();
            return true;
        };
    }

    @Test
    void everySignalIsFollowedByARun() {
        AtomicInteger runs = new AtomicInteger();
        EngineQueue queue = queue(guest, 0, counting(runs));
        Eventually.holds("the first run", () -> runs.get() > 0);
        for (int i = 0; i < 1000; i++) {
            int before = runs.get();
            if (i % 2 == 0) {
                queue.signal();
            } else {
                queue.eventFd().signal();
            }
            Eventually.holds("a run", () -> runs.get() > before);
        }
    }

    @Test
    void watchedDescriptorIsASignal() {
        AtomicInteger runs = new AtomicInteger();
        EngineQueue queue = queue(guest, 0, counting(runs));
        try (EventFd tap = EventFd.create()) {
            queue.watch(tap.fd());
            for (Engine engine : engines.all()) {
                queue.moveTo(engine);
                Eventually.holds("the move", () -> queue.engine().equals(engine));
                int before = runs.get();
                tap.signal();
                Eventually.holds("a run", () -> runs.get() > before);
            }
            queue.unwatch(tap.fd());
        }
    }

    @Test
    void queueWithMoreToDoRunsAgainAfterTheOthers() {
        List<String> order = Collections.synchronizedList(new ArrayList<>());
        CountDownLatch all = new CountDownLatch(1);
        AtomicInteger left = new AtomicInteger(5);
        EngineQueue busy =
                repeating(
                        guest,
                        () -> {
                            await(all);
                            order.add("busy");
                            return left.decrementAndGet() > 0;
                        });
        EngineQueue waiting =
                queue(
                        other,
                        0,
                        () -> {
                            order.add("waiting");
                            return true;
                        });
        waiting.signal();
        busy.signal();
        all.countDown();
        Eventually.holds("all ran", () -> left.get() <= 0 && order.contains("waiting"));
        assertTrue(order.indexOf("waiting") <= 2, order::toString);
    }

    private static void await(CountDownLatch latch) {
        boolean interrupted = false;
        while (latch.getCount() > 0) {
            try {
                latch.await();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    void heldQueueRunsOnlyAfterItsRelease() {
        AtomicInteger runs = new AtomicInteger();
        EngineQueue queue = queue(guest, 0, counting(runs));
        assertTrue(queue.hold(LONG));
        int before = runs.get();
        AtomicInteger others = new AtomicInteger();
        queue.signal();
        EngineQueue second = queue(guest, 1, counting(others));
        // The other queue's runs show that the engine has gone on.
        second.moveTo(queue.engine());
        Eventually.holds(
                "another queue", () -> others.get() > 0 && second.engine().equals(queue.engine()));
        assertEquals(before, runs.get());
        queue.release();
        Eventually.holds("a run", () -> runs.get() > before);
    }

    @Test
    void holdFailsIfTheRunDoesNotEndAndTheQueueGoesOn() {
        Blocked work = new Blocked();
        EngineQueue queue = queue(guest, 0, work);
        await(work.begun);
        assertFalse(queue.hold(Duration.ofMillis(1)));
        work.end.countDown();
        Eventually.holds("the signal during the run", () -> work.runs.get() >= 2);
    }

    @Test
    void closeWaitsForTheRunAndNothingRunsAfterwards() {
        CountDownLatch begun = new CountDownLatch(1);
        AtomicInteger runs = new AtomicInteger();
        EngineQueue queue =
                repeating(
                        guest,
                        () -> {
                            begun.countDown();
                            Thread.onSpinWait();
                            runs.incrementAndGet();
                            return true;
                        });
        await(begun);
        queue.close();
        int after = runs.get();
        queue.signal();
        queue.close();
        assertEquals(List.of(), guest.served());
        AtomicInteger others = new AtomicInteger();
        queue(guest, 0, counting(others));
        Eventually.holds("another queue runs", () -> others.get() > 0);
        assertEquals(after, runs.get());
    }

    @Test
    void runMayCloseItsOwnQueue() {
        AtomicReference<EngineQueue> self = new AtomicReference<>();
        AtomicInteger runs = new AtomicInteger();
        EngineQueue queue =
                queue(
                        guest,
                        0,
                        () -> {
                            EngineQueue own = self.get();
                            if (own != null) {
                                own.close();
                                own.signal();
                                runs.incrementAndGet();
                            }
                            return true;
                        });
        self.set(queue);
        queue.signal();
        Eventually.holds("the queue is gone", () -> guest.served().isEmpty());
        assertEquals(1, runs.get());
        assertEquals(0, queue.engine().queues());
        queue.close();
    }

    @Test
    void newQueueRunsOnlyAfterItsRelease() {
        AtomicInteger runs = new AtomicInteger();
        EngineQueue queue =
                guest.add(EngineClass.BLOCK, "vbd-51712", 0, counting(runs), failures::add);
        queues.add(queue);
        queue.signal();
        queue.eventFd().signal();
        AtomicInteger others = new AtomicInteger();
        queue(other, 0, counting(others));
        Eventually.holds("another queue of the engine", () -> others.get() > 0);
        assertEquals(0, runs.get());
        queue.release();
        Eventually.holds("a run", () -> runs.get() > 0);
    }

    @Test
    void runThatSignalsItsOwnQueueRunsAgain() {
        AtomicReference<EngineQueue> self = new AtomicReference<>();
        AtomicInteger left = new AtomicInteger(1000);
        EngineQueue queue =
                queue(
                        guest,
                        0,
                        () -> {
                            EngineQueue own = self.get();
                            if (own != null && left.decrementAndGet() > 0) {
                                own.signal();
                            }
                            return false;
                        });
        self.set(queue);
        queue.signal();
        Eventually.holds("all runs", () -> left.get() <= 0);
    }

    @Test
    void closeGivesUpWaitingForARunWhichIsTheLast() {
        Blocked work = new Blocked();
        EngineQueue queue = repeating(guest, work::run);
        await(work.begun);
        assertFalse(queue.close(Duration.ofMillis(1)));
        assertEquals(1, guest.served().size());
        work.end.countDown();
        assertTrue(queue.close(LONG));
        assertEquals(List.of(), guest.served());
        assertEquals(1, work.runs.get());
    }

    @Test
    void failureOfOneQueueIsToldAndHarmsNoOther() {
        EngineQueue broken =
                queue(
                        guest,
                        0,
                        () -> {
                            throw new IllegalStateException("broken");
                        });
        Eventually.holds("the failure", () -> failures.size() == 1);
        AtomicInteger runs = new AtomicInteger();
        EngineQueue sound = queue(other, 0, counting(runs));
        broken.signal();
        sound.signal();
        Eventually.holds("a run", () -> runs.get() > 0);
        assertEquals(1, failures.size());
        broken.close();
    }

    @Test
    void failureBesideTheWorkHarmsNoOtherQueue() {
        EngineQueue broken =
                guest.add(
                        EngineClass.BLOCK,
                        "vbd-51712",
                        0,
                        () -> {
                            throw new IllegalStateException("broken");
                        },
                        e -> {
                            failures.add(e);
                            throw new IllegalStateException("so is its handler", e);
                        });
        queues.add(broken);
        broken.release();
        Eventually.holds("the failure", () -> failures.size() == 1);
        AtomicInteger runs = new AtomicInteger();
        EngineQueue sound = queue(other, 0, counting(runs));
        assertEquals(broken.engine(), sound.engine());
        Eventually.holds("a run", () -> runs.get() > 0);
        assertTrue(broken.close(LONG), "its run has ended");
        assertEquals(List.of(), guest.served());
    }

    @Test
    void queueStaysOnItsEngineIfTheOtherRefusesIt() {
        Engine refusing = new Engine(EngineSpec.parse("block:7"));
        refusing.close();
        Blocked work = new Blocked();
        EngineQueue queue = queue(guest, 0, work);
        Engine own = queue.engine();
        await(work.begun);
        queue.moveTo(refusing);
        work.end.countDown();
        Eventually.holds("a run after the move has failed", () -> work.runs.get() >= 2);
        assertTrue(queue.hold(LONG));
        queue.moveTo(refusing);
        int before = work.runs.get();
        queue.release();
        Eventually.holds("a run after another one", () -> work.runs.get() > before);
        assertEquals(own, queue.engine());
        assertEquals(1, own.queues());
        assertEquals(0, refusing.queues());
    }

    /// The other engine waits for one of the descriptors already, so it cannot have the last one.
    @Test
    void failedMoveLeavesNoDescriptorBehind() {
        AtomicInteger runs = new AtomicInteger();
        EngineQueue queue = queue(guest, 0, counting(runs));
        EngineQueue elsewhere = queue(guest, 1, () -> true);
        try (EventFd tap = EventFd.create()) {
            queue.watch(tap.fd());
            elsewhere.watch(queue.eventFd().fd());
            queue.moveTo(elsewhere.engine());
            assertEquals(1, elsewhere.engine().queues());
            elsewhere.unwatch(queue.eventFd().fd());
            queue.moveTo(elsewhere.engine());
            Eventually.holds("the move", () -> queue.engine().equals(elsewhere.engine()));
            queue.unwatch(tap.fd());
        }
    }

    /// A guest can signal all the time without a request (XSA-332).
    @Test
    void stormOfSignalsForNothingIsSlowedDown() {
        AtomicInteger runs = new AtomicInteger();
        EngineQueue queue =
                queue(
                        guest,
                        0,
                        () -> {
                            runs.incrementAndGet();
                            return false;
                        });
        long elapsed = storm(queue);
        // 30 at once, then one in a millisecond; the first in vain does not count.
        long allowed = 32 + elapsed / 1_000_000 + 1;
        assertTrue(runs.get() <= allowed, () -> runs + " of " + allowed);
        int before = runs.get();
        queue.signal();
        Eventually.holds("the last signal", () -> runs.get() > before);
    }

    /// Each of these signals would cost the engine a system call and a switch of threads.
    @Test
    void stormOfAPausedQueueDoesNotWakeTheEngine() {
        EngineQueue queue = queue(guest, 0, () -> false);
        Engine engine = queue.engine();
        long before = engine.wakeUps();
        long elapsed = storm(queue);
        long wakes = engine.wakeUps() - before;
        // For each run one for the signal and one for the end of the pause.
        long allowed = 2 * (32 + elapsed / 1_000_000 + 1);
        assertTrue(wakes <= allowed, () -> wakes + " of " + allowed);
    }

    /// A tap's frames come whether or not the guest's queue may run.
    @Test
    void stormOfAWatchedDescriptorOfAPausedQueueDoesNotWakeTheEngine() {
        AtomicInteger runs = new AtomicInteger();
        EngineQueue queue =
                queue(
                        guest,
                        0,
                        () -> {
                            runs.incrementAndGet();
                            return false;
                        });
        Engine engine = queue.engine();
        try (EventFd tap = EventFd.create()) {
            queue.watch(tap.fd());
            long before = engine.wakeUps();
            long elapsed = storm(tap);
            long wakes = engine.wakeUps() - before;
            long allowed = 2 * (32 + elapsed / 1_000_000 + 1);
            assertTrue(wakes <= allowed, () -> wakes + " of " + allowed);
            int last = runs.get();
            tap.signal();
            Eventually.holds("a run after the pause", () -> runs.get() > last);
            queue.unwatch(tap.fd());
        }
    }

    @Test
    void stormOfAWatchedDescriptorOfAQueueThatMayNotRunDoesNotWakeTheEngine() {
        AtomicInteger runs = new AtomicInteger();
        EngineQueue queue = queue(guest, 0, counting(runs));
        Engine engine = queue.engine();
        try (EventFd tap = EventFd.create();
                EventFd later = EventFd.create()) {
            queue.watch(tap.fd());
            assertTrue(queue.hold(LONG));
            long before = engine.wakeUps();
            long _ = storm(tap);
            queue.watch(later.fd());
            long _ = storm(later);
            long wakes = engine.wakeUps() - before;
            assertTrue(wakes <= 5, () -> wakes + " for a held queue");
            queue.release();
            for (EventFd descriptor : List.of(tap, later)) {
                int last = runs.get();
                descriptor.signal();
                Eventually.holds("a run after its release", () -> runs.get() > last);
                queue.unwatch(descriptor.fd());
            }
        }
    }

    /// @return its time in ns
    private static long storm(EngineQueue queue) {
        return storm(queue.eventFd());
    }

    private static long storm(EventFd descriptor) {
        long start = System.nanoTime();
        long elapsed = 0;
        while (elapsed < 200_000_000) {
            descriptor.signal();
            elapsed = System.nanoTime() - start;
        }
        return elapsed;
    }

    @Test
    void stormOfAQueueThatMayNotRunDoesNotWakeTheEngine() {
        AtomicInteger runs = new AtomicInteger();
        EngineQueue queue = queue(guest, 0, counting(runs));
        Engine engine = queue.engine();
        assertTrue(queue.hold(LONG));
        int held = runs.get();
        long before = engine.wakeUps();
        long _ = storm(queue);
        long wakes = engine.wakeUps() - before;
        assertTrue(wakes <= 5, () -> wakes + " for a held queue");
        assertEquals(held, runs.get());
        queue.release();
        Eventually.holds("a run after its release", () -> runs.get() > held);
        for (int i = 0; i < 100; i++) {
            int last = runs.get();
            queue.eventFd().signal();
            Eventually.holds("a run after a signal", () -> runs.get() > last);
        }
    }

    @Test
    void stormOfAFailedQueueDoesNotWakeTheEngine() {
        EngineQueue queue =
                queue(
                        guest,
                        0,
                        () -> {
                            throw new IllegalStateException("broken");
                        });
        Eventually.holds("the failure", () -> failures.size() == 1);
        Engine engine = queue.engine();
        long before = engine.wakeUps();
        long _ = storm(queue);
        long wakes = engine.wakeUps() - before;
        assertTrue(wakes <= 5, () -> wakes + " for a failed queue");
    }

    /// Holds come between its signals and its runs in every order.
    @Test
    void noSignalIsLostAroundHolds() {
        AtomicInteger runs = new AtomicInteger();
        EngineQueue queue = queue(guest, 0, counting(runs));
        for (int i = 0; i < 2000; i++) {
            queue.eventFd().signal();
            assertTrue(queue.hold(LONG));
            int before = runs.get();
            queue.eventFd().signal();
            queue.release();
            Eventually.holds("a run", () -> runs.get() > before);
        }
    }

    @Test
    void queueIsServedWhileAnotherGuestStorms() {
        repeating(guest, () -> true);
        AtomicInteger runs = new AtomicInteger();
        EngineQueue quiet = queue(other, 0, counting(runs));
        for (int i = 0; i < 100; i++) {
            int before = runs.get();
            quiet.signal();
            Eventually.holds("its turn", () -> runs.get() > before);
        }
    }

    @Test
    void engineRunsOnItsCpusAndCountsItsWork() throws XenError {
        int cpu = CpuAffinity.current().nextSetBit(0);
        AtomicReference<BitSet> seen = new AtomicReference<>();
        AtomicReference<String> name = new AtomicReference<>();
        try (Engines pinned =
                        new Engines(
                                List.of(EngineSpec.parse("net:5,cpus=" + cpu)),
                                new SimpleMeterRegistry());
                DomainEngines domain = pinned.open(GUEST, EngineMap.DEFAULT)) {
            EngineQueue queue =
                    domain.add(
                            EngineClass.NET,
                            "vif-0",
                            0,
                            () -> {
                                name.set(Thread.currentThread().getName());
                                seen.set(CpuAffinity.current());
                                return true;
                            },
                            failures::add);
            queue.release();
            Engine engine = pinned.all().getFirst();
            Eventually.holds("its run is counted", () -> engine.runs() > 0);
            assertEquals(BitSet.valueOf(new long[] {1L << cpu}), seen.get());
            assertEquals("engine-net:5", name.get());
            assertTrue(engine.busyNanos() > 0);
            assertEquals(1, engine.queues());
            queue.close();
        }
        assertEquals(List.of(), failures);
    }
}
