package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.ring.FrontRing;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

class ControlRingTest {
    /// XSA-270: SET_HASH_MAPPING with an offset and a size whose sum wraps, beside all other types.
    @Test
    void xsa270EachRequestIsNotSupportedWhateverItsSizes() throws Exception {
        try (Arena arena = Arena.ofConfined()) {
            FrontRing front = new FrontRing(arena, Netif.CONTROL_RING, 1, 0);
            ControlRing ring = new ControlRing(front.served(arena));
            for (int type = 0; type < 12; type++) {
                MemorySegment slot = front.nextSlot();
                slot.set(JAVA_SHORT_UNALIGNED, 0, (short) (100 + type));
                slot.set(JAVA_SHORT_UNALIGNED, 2, (short) type);
                slot.set(JAVA_INT_UNALIGNED, 4, -1);
                slot.set(JAVA_INT_UNALIGNED, 8, -1);
                slot.set(JAVA_INT_UNALIGNED, 12, 0xffff_fff0);
                front.send();
            }
            assertTrue(ring.work(() -> {}));
            assertFalse(ring.arm());
            for (int type = 0; type < 12; type++) {
                MemorySegment answer = front.nextAnswer();
                assertEquals(100 + type, answer.get(JAVA_SHORT_UNALIGNED, 0));
                assertEquals(type, answer.get(JAVA_SHORT_UNALIGNED, 2));
                assertEquals(Netif.CTRL_NOT_SUPPORTED, answer.get(JAVA_INT_UNALIGNED, 4));
                assertEquals(0, answer.get(JAVA_INT_UNALIGNED, 8));
            }
        }
    }
}
