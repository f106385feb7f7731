package io.xenemu.core.backend.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.jspecify.annotations.Nullable;

/// Changes of the map while guests send lose, double and reorder nothing.
final class EngineMovePropertyTest {
    private static final int TRIES = 60;
    private static final int STRESS_ROUNDS = 3000;
    private static final Duration LONG = Duration.ofSeconds(30);

    private static final List<String> MAPS =
            List.of("default", "block:0,block:0", "block:2,block:1", "-,block:1", "block:1,-");

    /// A ring with a producer on another thread. Its work takes requests in order, a few at a time.
    private static final class Ring {
        private final AtomicLong produced = new AtomicLong();
        private final AtomicBoolean inside = new AtomicBoolean();
        private final AtomicReference<String> wrong = new AtomicReference<>("");

        /// Plain: only the runs touch it.
        private long taken;

        /// For readers on other threads.
        private final AtomicLong done = new AtomicLong();

        /// Set before it is released.
        private volatile @Nullable EngineQueue queue;

        EngineQueue add(DomainEngines guest, String device, int index) {
            EngineQueue added =
                    guest.add(
                            EngineClass.BLOCK,
                            device,
                            index,
                            this::run,
                            e -> wrong.set(e.toString()));
            queue = added;
            return added;
        }

        private boolean run() {
            if (!inside.compareAndSet(false, true)) {
                wrong.set("two runs at once");
            }
            long last = taken;
            long limit = Math.min(produced.get(), last + 3);
            while (taken < limit) {
                taken++;
            }
            if (done.getAndSet(taken) != last) {
                wrong.set("a run does not see the one before it");
            }
            if (!inside.compareAndSet(true, false)) {
                wrong.set("two runs at once");
            }
            if (taken < produced.get()) {
                Objects.requireNonNull(queue).signal();
            }
            return taken != last;
        }
    }

    private static Engines engines() {
        return new Engines(
                List.of(
                        EngineSpec.parse("block:0"),
                        EngineSpec.parse("block:1"),
                        EngineSpec.parse("block:2")),
                new SimpleMeterRegistry());
    }

    private static void produce(Ring ring, EngineQueue queue) {
        ring.produced.incrementAndGet();
        if (ring.produced.get() % 2 == 0) {
            queue.signal();
        } else {
            queue.eventFd().signal();
        }
    }

    /// Each step sends, changes the map, or holds or releases a queue.
    @Property(tries = TRIES)
    void everyRequestIsServedOnceAndInOrder(
            @ForAll @Size(max = 60) List<@IntRange(min = 0, max = 15) Integer> steps)
            throws XenError {
        try (Engines engines = engines();
                DomainEngines guest = engines.open(new DomId(1), EngineMap.DEFAULT)) {
            List<Ring> rings = List.of(new Ring(), new Ring());
            List<EngineQueue> queues = new ArrayList<>();
            for (Ring ring : rings) {
                queues.add(ring.add(guest, "vbd-51712", queues.size()));
            }
            queues.forEach(EngineQueue::release);
            for (int step : steps) {
                int index = step % 2;
                switch (step / 2) {
                    case 0, 1, 2 -> produce(rings.get(index), queues.get(index));
                    case 3 -> assertTrue(queues.get(index).hold(LONG));
                    case 4 -> queues.get(index).release();
                    default -> guest.set(EngineMap.parse(MAPS.get(step % MAPS.size())));
                }
            }
            queues.forEach(EngineQueue::release);
            rings.forEach(EngineMovePropertyTest::requireAll);
            queues.forEach(EngineQueue::close);
            assertEquals(0, engines.all().stream().mapToInt(Engine::queues).sum());
        }
    }

    private static void requireAll(Ring ring) {
        Eventually.holds("all requests", () -> ring.done.get() == ring.produced.get());
        assertEquals("", ring.wrong.get());
    }

    /// The same with threads that send all the time.
    @Property(tries = 1)
    void changesUnderLoadLoseNothing() throws Exception {
        try (Engines engines = engines();
                DomainEngines guest = engines.open(new DomId(1), EngineMap.DEFAULT)) {
            AtomicBoolean stop = new AtomicBoolean();
            List<Ring> rings = new ArrayList<>();
            List<EngineQueue> queues = new ArrayList<>();
            List<Thread> guests = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                Ring ring = new Ring();
                EngineQueue queue = ring.add(guest, "vbd-" + i, 0);
                rings.add(ring);
                queues.add(queue);
                queue.release();
                guests.add(
                        Thread.ofPlatform()
                                .start(() -> {
                                    while (!stop.get()) {
                                        produce(ring, queue);
                                    }
                                }));
            }
            for (int round = 0; round < STRESS_ROUNDS; round++) {
                guest.set(EngineMap.parse("block:" + round % 3));
                EngineQueue held = queues.get(round % queues.size());
                assertTrue(held.hold(LONG));
                held.release();
            }
            stop.set(true);
            for (Thread sender : guests) {
                sender.join();
            }
            rings.forEach(EngineMovePropertyTest::requireAll);
            // Removed at its busiest, a queue never runs again.
            Ring last = rings.getFirst();
            last.produced.addAndGet(1 << 20);
            queues.getFirst().signal();
            queues.getFirst().close();
            long done = last.done.get();
            queues.getFirst().signal();
            queues.get(1).signal();
            assertEquals(done, last.done.get());
            assertEquals("", last.wrong.get());
            queues.forEach(EngineQueue::close);
        }
    }
}
