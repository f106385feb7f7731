package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.testing.Eventually;
import io.xenemu.xenstore.wire.MessageType;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A client that floods the store does not keep the others from being served.
@Timeout(60)
class FairnessTest {
    @Test
    void waitingThreadIsOvertakenAFewTimesAtMost() throws InterruptedException {
        StoreLock lock = new StoreLock();
        for (int round = 0; round < 100; round++) {
            AtomicBoolean served = new AtomicBoolean();
            lock.lock();
            Thread waiting =
                    Thread.ofPlatform()
                            .start(() -> {
                                lock.lock();
                                served.set(true);
                                lock.unlock();
                            });
            Eventually.holds("the other waits", lock::isWaitedFor);
            int overtaken = -1;
            while (!served.get()) {
                overtaken++;
                assertTrue(overtaken <= StoreLock.OVERTAKES, "overtaken: " + overtaken);
                lock.unlock();
                lock.lock();
            }
            lock.unlock();
            waiting.join();
        }
    }

    /// A guest that sends as fast as it can, on its own vCPU.
    private static final class Flood implements Runnable {
        private final RingEnd end;
        private final byte[] requests;
        private final AtomicBoolean stop;
        final AtomicInteger rounds = new AtomicInteger();

        Flood(RingEnd end, AtomicBoolean stop) {
            this.end = end;
            this.stop = stop;
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            while (bytes.size() < 1000) {
                bytes.writeBytes(RingEnd.message(MessageType.GET_DOMAIN_PATH, 1, 0, "3\0"));
            }
            requests = bytes.toByteArray();
        }

        @Override
        public void run() {
            while (!stop.get()) {
                end.send(requests, requests.length);
                while (end.consume(1024).length > 0) {
                    end.service();
                }
                rounds.incrementAndGet();
            }
        }
    }

    @Test
    void requestsAreServedWhileGuestsFloodTheirRings() throws InterruptedException {
        try (Rig rig = new Rig()) {
            Rig.Client client = rig.client(0);
            AtomicBoolean stop = new AtomicBoolean();
            List<Flood> floods = new ArrayList<>();
            List<Thread> threads = new ArrayList<>();
            for (int guest : List.of(3, 4)) {
                Flood flood = new Flood(new RingEnd(rig.guest(guest)), stop);
                floods.add(flood);
                threads.add(Thread.ofPlatform().start(flood));
            }
            try {
                for (int i = 0; i < 300; i++) {
                    assertEquals("OK\0", client.ask(MessageType.WRITE, "/x\0" + i));
                }
                // Nor has the client stopped the guests.
                for (Flood flood : floods) {
                    int before = flood.rounds.get();
                    Eventually.holds(
                            "the flood goes on",
                            () -> {
                                assertEquals("299", client.ask(MessageType.READ, "/x\0"));
                                return flood.rounds.get() >= before + 10;
                            });
                }
            } finally {
                stop.set(true);
            }
            for (Thread thread : threads) {
                thread.join();
            }
        }
    }
}
