package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.xenemu.core.backend.ring.FrontRing;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class ControlRingTest {
    /// XSA-270: SET_HASH_MAPPING with an offset and a size whose sum wraps, beside all other types.
    @Test
    void xsa270EachRequestIsNotSupportedWhateverItsSizes() throws Exception {
        try (Arena arena = Arena.ofConfined()) {
            FrontRing front = new FrontRing(arena, Netif.CONTROL_RING, 1, 0);
            ControlRing ring =
                    new ControlRing(front.served(arena), () -> {}, () -> fail("there is no more"));
            for (int type = 0; type < 12; type++) {
                MemorySegment slot = front.nextSlot();
                slot.set(JAVA_SHORT_UNALIGNED, 0, (short) (100 + type));
                slot.set(JAVA_SHORT_UNALIGNED, 2, (short) type);
                slot.set(JAVA_INT_UNALIGNED, 4, -1);
                slot.set(JAVA_INT_UNALIGNED, 8, -1);
                slot.set(JAVA_INT_UNALIGNED, 12, 0xffff_fff0);
                front.send();
            }
            assertTrue(ring.run());
            assertFalse(ring.run());
            for (int type = 0; type < 12; type++) {
                MemorySegment answer = front.nextAnswer();
                assertEquals(100 + type, answer.get(JAVA_SHORT_UNALIGNED, 0));
                assertEquals(type, answer.get(JAVA_SHORT_UNALIGNED, 2));
                assertEquals(Netif.CTRL_NOT_SUPPORTED, answer.get(JAVA_INT_UNALIGNED, 4));
                assertEquals(0, answer.get(JAVA_INT_UNALIGNED, 8));
            }
        }
    }

    /// XSA-332: a guest that sends a request for each answer, on another of its vCPUs.
    @Test
    void xsa332RequestsThatNeverEndLeaveTheEngineToOthers() throws Exception {
        try (Arena arena = Arena.ofConfined()) {
            FrontRing front = new FrontRing(arena, Netif.CONTROL_RING, 1, 0);
            AtomicInteger sent = new AtomicInteger();
            AtomicInteger again = new AtomicInteger();
            Runnable refill =
                    () -> {
                        assertTrue(sent.get() <= front.size(), "one run goes on and on");
                        while (front.hasAnswer()) {
                            front.nextAnswer();
                            front.send();
                            sent.incrementAndGet();
                        }
                    };
            ControlRing ring = new ControlRing(front.served(arena), refill, again::incrementAndGet);
            front.send();
            assertTrue(ring.run());
            assertEquals(1, again.get());
            assertEquals(1, sent.get());
            assertTrue(ring.run());
            assertEquals(2, again.get());
        }
    }
}
