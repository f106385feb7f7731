package io.xenemu.core.device;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.testing.Eventually;
import java.io.ByteArrayOutputStream;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class BytePipeTest {
    @Test
    void offerTakesAsManyBytesAsFit() {
        var pipe = new BytePipe(3);
        assertEquals(3, pipe.offer(new byte[] {1, 2, 3, 4}, 0, 4));
        var bytes = new byte[4];
        assertEquals(3, pipe.poll(bytes, 0, 4));
        assertArrayEquals(new byte[] {1, 2, 3, 0}, bytes);
        assertEquals(0, pipe.poll(bytes, 0, 4));
    }

    @Test
    void roomIsAnnouncedOnlyAfterARefusal() throws InterruptedException {
        var pipe = new BytePipe(2);
        var calls = new AtomicInteger();
        pipe.onRoom(calls::incrementAndGet);
        pipe.offer(new byte[2], 0, 2);
        pipe.take(new byte[2]);
        assertEquals(0, calls.get());
        pipe.offer(new byte[3], 0, 3);
        pipe.take(new byte[1]);
        pipe.take(new byte[1]);
        assertEquals(1, calls.get());
    }

    @Test
    void putWaitsForTheDeviceAndLosesNothing() throws InterruptedException {
        var pipe = new BytePipe(7);
        var sent = new byte[1000];
        for (int i = 0; i < sent.length; i++) {
            sent[i] = (byte) i;
        }
        Thread giver =
                Thread.ofPlatform()
                        .start(() -> {
                            try {
                                pipe.put(sent, 0, sent.length);
                            } catch (InterruptedException e) {
                                Thread.currentThread().interrupt();
                            }
                        });
        var got = new ByteArrayOutputStream();
        var piece = new byte[5];
        Eventually.holds(
                "everything comes out",
                () -> {
                    got.write(piece, 0, pipe.poll(piece, 0, piece.length));
                    return got.size() == sent.length;
                });
        giver.join();
        assertArrayEquals(sent, got.toByteArray());
    }

    @Test
    void closedPipeGivesItsBytesAndTakesNone() throws InterruptedException {
        var pipe = new BytePipe(10);
        assertTrue(pipe.put(new byte[4], 0, 4));
        pipe.close();
        assertFalse(pipe.put(new byte[1], 0, 1));
        assertEquals(0, pipe.offer(new byte[1], 0, 1));
        assertEquals(4, pipe.take(new byte[10]));
        assertEquals(0, pipe.take(new byte[10]));
    }
}
