package io.xenemu.core.backend.engine;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;

/// Two guests with queues on two engines.
abstract class EngineQueueCase {
    static final Duration LONG = Duration.ofSeconds(30);
    static final DomId GUEST = new DomId(1);
    private static final DomId OTHER = new DomId(2);

    final List<EngineQueue> queues = new ArrayList<>();
    final List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
    final Engines engines =
            new Engines(
                    List.of(EngineSpec.parse("block:0"), EngineSpec.parse("block:1")),
                    new SimpleMeterRegistry());
    final DomainEngines guest = engines.open(GUEST, EngineMap.DEFAULT);
    final DomainEngines other = engines.open(OTHER, EngineMap.DEFAULT);

    EngineQueueCase() throws XenError {}

    @AfterEach
    void close() {
        queues.forEach(EngineQueue::close);
        guest.close();
        other.close();
        engines.close();
    }

    EngineQueue queue(DomainEngines of, int index, QueueWork work) {
        EngineQueue queue = of.add(EngineClass.BLOCK, "vbd-51712", index, work, failures::add);
        queues.add(queue);
        queue.release();
        return queue;
    }

    /// @param hasMore work after which the queue signals itself if it returns true
    EngineQueue repeating(DomainEngines of, BooleanSupplier hasMore) {
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
    static final class Blocked implements QueueWork {
        final CountDownLatch begun = new CountDownLatch(1);
        final CountDownLatch end = new CountDownLatch(1);
        final AtomicInteger runs = new AtomicInteger();

        @Override
        public boolean run() {
            begun.countDown();
            await(end);
            runs.incrementAndGet();
            return true;
        }
    }

    static QueueWork counting(AtomicInteger runs) {
        return () -> {
            runs.incrementAndGet();
            return true;
        };
    }

    /// Work that finds nothing to do.
    static QueueWork vain(AtomicInteger runs) {
        return () -> {
            runs.incrementAndGet();
            return false;
        };
    }

    /// A queue whose work has failed.
    EngineQueue broken(DomainEngines of) {
        EngineQueue broken =
                queue(
                        of,
                        0,
                        () -> {
                            throw new IllegalStateException("broken");
                        });
        Eventually.holds("the failure", () -> failures.size() == 1);
        return broken;
    }

    static void await(CountDownLatch latch) {
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
}
