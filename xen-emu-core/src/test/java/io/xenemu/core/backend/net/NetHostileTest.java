package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.ring.FrontRing;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/// A guest that writes to its rings and pages while they are served.
class NetHostileTest {
    private static final int ROUNDS = 20_000;
    private static final RxFeatures ALL = new RxFeatures(true, true, true, true, true, 0);

    /// A header that asks for a checksum or segments lies within its frame.
    private static void assertSane(byte[] sent) {
        int flags = sent[0];
        int start = u16(sent, 6);
        int offset = u16(sent, 8);
        int frame = sent.length - VnetHeader.BYTES;
        if (flags != 0) {
            assertTrue(start + offset + 2 <= frame, () -> Arrays.toString(sent));
        }
        if (sent[1] != 0) {
            assertTrue(u16(sent, 4) > 0 && u16(sent, 2) <= frame, () -> Arrays.toString(sent));
        }
    }

    private static int u16(byte[] bytes, int at) {
        return Byte.toUnsignedInt(bytes[at]) | Byte.toUnsignedInt(bytes[at + 1]) << Byte.SIZE;
    }

    /// XSA-155: slots and data change between the check and the use.
    @Test
    void xsa155FramesThatChangeWhileTheyAreSentDoNoHarm() throws Exception {
        try (Arena arena = Arena.ofShared()) {
            FrontTx front = new FrontTx(arena);
            AtomicBoolean end = new AtomicBoolean();
            Thread flipper = Thread.ofPlatform().start(() -> flip(front, end));
            int index = front.ring.index(FrontRing.RSP_PROD);
            for (int round = 0; round < ROUNDS && !front.queue.isBroken(); round++) {
                // The flipper does not write the indices here: a broken ring would end the test.
                front.ring.setIndex(FrontRing.REQ_PROD, front.ring.index(FrontRing.RSP_PROD) + 40);
                front.queue.work(40, 0);
                front.queue.publish();
                front.port.sent.forEach(NetHostileTest::assertSane);
                front.port.sent.clear();
            }
            end.set(true);
            flipper.join();
            assertEquals(0, front.pages.inUse());
            assertTrue(front.ring.index(FrontRing.RSP_PROD) - index > 0);
        }
    }

    private static void flip(FrontTx front, AtomicBoolean end) {
        Random random = new Random(1);
        byte[] tcp = Frames.ipv4(6, 1400, 0, 0);
        while (!end.get()) {
            // Mostly plausible slots, so that frames are sent.
            int slot = 64 + 12 * random.nextInt(256);
            front.ring.page().set(JAVA_INT, slot, random.nextInt(FrontTx.PAGES));
            front.ring.page().set(JAVA_INT, slot + 4, random.nextInt(16) << 16);
            front.ring.page().set(JAVA_INT, slot + 8, (20 + random.nextInt(1400)) << 16);
            front.page(0, tcp);
            if (random.nextInt(4) == 0) {
                front.ring.page().set(JAVA_INT, 64 + 4 * random.nextInt(768), random.nextInt());
            }
        }
    }

    /// Bytes of any kind in both rings, indices too: no exception, and a broken ring stays so.
    @Test
    void ringsOfRandomBytesBreakAtWorst() {
        Random random = new Random(2);
        for (int round = 0; round < 2000; round++) {
            try (Arena arena = Arena.ofConfined()) {
                FrontTx tx = new FrontTx(arena);
                FrontRx rx = new FrontRx(arena, ALL, new MulticastFilter(true));
                for (int i = 0; i < 8; i++) {
                    rx.host(Frames.plain(14 + random.nextInt(9000)));
                }
                for (long at = 4; at < 4096; at += 4) {
                    tx.ring.page().set(JAVA_INT, at, random.nextInt());
                    rx.ring.page().set(JAVA_INT, at, random.nextInt());
                }
                tx.ring.setIndex(FrontRing.REQ_PROD, -100 + random.nextInt(300));
                rx.ring.setIndex(FrontRing.REQ_PROD, -100 + random.nextInt(300));
                for (int i = 0; i < 4; i++) {
                    tx.queue.work(256, i);
                    tx.queue.publish();
                    rx.queue.work(64, i);
                    rx.queue.publish();
                }
                tx.port.sent.forEach(NetHostileTest::assertSane);
                rx.queue.release();
                assertEquals(0, tx.pages.inUse() + rx.pages.inUse());
            }
        }
    }
}
