package io.xenemu.kvm.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class EventFdTest {
    @Test
    void drainTakesAllSignalsAtOnce() {
        try (EventFd fd = EventFd.create()) {
            fd.signal();
            fd.signal();
            fd.signal();
            assertEquals(3, fd.drain());
            assertEquals(0, fd.drain());
        }
    }

    @Test
    @Timeout(60)
    void drainOfBlockingEventFdWaitsForTheSignal() throws Exception {
        try (EventFd wake = EventFd.createBlocking();
                EventFd answer = EventFd.createBlocking()) {
            AtomicLong seen = new AtomicLong();
            Thread waiter =
                    Thread.ofPlatform()
                            .start(() -> {
                                seen.set(wake.drain());
                                answer.signal();
                            });
            wake.signal();
            assertEquals(1, answer.drain());
            waiter.join();
            assertEquals(1, seen.get());
        }
    }

    @Test
    void noSignalIsLostBetweenThreads() throws Exception {
        int threads = 4;
        int each = 1000;
        try (EventFd fd = EventFd.create()) {
            CountDownLatch go = new CountDownLatch(1);
            Thread[] signallers = new Thread[threads];
            for (int i = 0; i < threads; i++) {
                signallers[i] = Thread.ofPlatform().start(() -> signalAfter(go, fd, each));
            }
            go.countDown();
            long seen = 0;
            for (Thread t : signallers) {
                seen += fd.drain();
                t.join();
            }
            assertEquals((long) threads * each, seen + fd.drain());
        }
    }

    private static void signalAfter(CountDownLatch go, EventFd fd, int times) {
        try {
            go.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        for (int n = 0; n < times; n++) {
            fd.signal();
        }
    }

    @Test
    void useAfterCloseFails() {
        EventFd fd = EventFd.create();
        fd.close();
        fd.close();
        assertThrows(IllegalStateException.class, fd::signal);
        assertThrows(IllegalStateException.class, fd::fd);
    }
}
