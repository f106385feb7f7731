package io.xenemu.core.backend.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.testing.Eventually;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A guest signals all the time: its engine is woken no more often than is allowed.
@Timeout(60)
final class EngineStormTest extends EngineQueueCase {
    /// The most wake-ups by the signals of a queue that may not run.
    private static final int AT_REST = 5;

    EngineStormTest() throws XenError {}

    private static void assertWakes(Engine engine, long before, long allowed) {
        long wakes = engine.wakeUps() - before;
        assertTrue(wakes <= allowed, () -> wakes + " of " + allowed);
    }

    /// A guest can signal all the time without a request (XSA-332).
    @Test
    void stormOfSignalsForNothingIsSlowedDown() {
        AtomicInteger runs = new AtomicInteger();
        EngineQueue queue = queue(guest, 0, vain(runs));
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
        // For each run one for the signal and one for the end of the pause.
        assertWakes(engine, before, 2 * (32 + elapsed / 1_000_000 + 1));
    }

    /// A tap's frames come whether or not the guest's queue may run.
    @Test
    void stormOfAWatchedDescriptorOfAPausedQueueDoesNotWakeTheEngine() {
        AtomicInteger runs = new AtomicInteger();
        EngineQueue queue = queue(guest, 0, vain(runs));
        Engine engine = queue.engine();
        try (EventFd tap = EventFd.create()) {
            queue.watch(tap.fd());
            long before = engine.wakeUps();
            long elapsed = storm(tap);
            assertWakes(engine, before, 2 * (32 + elapsed / 1_000_000 + 1));
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
            assertWakes(engine, before, AT_REST);
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
        assertWakes(engine, before, AT_REST);
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
        EngineQueue queue = broken(guest);
        Engine engine = queue.engine();
        long before = engine.wakeUps();
        long _ = storm(queue);
        assertWakes(engine, before, AT_REST);
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
}
