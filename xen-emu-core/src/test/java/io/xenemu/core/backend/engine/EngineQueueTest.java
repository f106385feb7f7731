package io.xenemu.core.backend.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.kvm.thread.CpuAffinity;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class EngineQueueTest extends EngineQueueCase {
    EngineQueueTest() throws XenError {}

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
        EngineQueue broken = broken(guest);
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

    /// The CPUs of this process's threads of a name, as the kernel has them.
    private static List<String> allowedCpus(String name) throws IOException {
        List<String> cpus = new ArrayList<>();
        try (DirectoryStream<Path> tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
            for (Path task : tasks) {
                try {
                    if (Files.readString(task.resolve("comm")).strip().equals(name)) {
                        Files.readAllLines(task.resolve("status")).stream()
                                .filter(line -> line.startsWith("Cpus_allowed_list:"))
                                .forEach(line ->
                                        cpus.add(line.substring(line.indexOf(':') + 1).strip()));
                    }
                } catch (NoSuchFileException e) {
                    // That thread has just ended.
                }
            }
        }
        return cpus;
    }

    @Test
    void engineRunsOnItsCpusAndCountsItsWork() throws XenError, IOException {
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
            assertEquals(List.of(Integer.toString(cpu)), allowedCpus("engine-net:5"));
            assertTrue(engine.busyNanos() > 0);
            assertEquals(1, engine.queues());
            queue.close();
        }
        assertEquals(List.of(), failures);
    }
}
