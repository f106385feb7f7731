package io.xenemu.evtchn;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.BitSet;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

/// The lowest free number is found as in a plain bitmap.
final class FreePortsPropertyTest {
    @Property(tries = 300)
    void agreesWithABitSet(
            @ForAll @IntRange(min = 1, max = 200_000) int capacity,
            @ForAll @IntRange(max = 200_000) int filled,
            @ForAll @Size(max = 50) List<@IntRange(max = 199_999) Integer> toggled) {
        FreePorts ports = new FreePorts(capacity);
        BitSet model = new BitSet();
        for (int i = 0; i < Math.min(filled, capacity); i++) {
            ports.take(i);
            model.set(i);
        }
        for (int number : toggled) {
            if (number < capacity) {
                if (model.get(number)) {
                    ports.release(number);
                } else {
                    ports.take(number);
                }
                model.flip(number);
            }
            int expected = model.nextClearBit(number);
            int found = ports.next(number);
            // What lies beyond the capacity is for the caller to refuse.
            assertEquals(Math.min(expected, capacity), Math.min(found, capacity));
            assertEquals(
                    Math.min(model.nextClearBit(0), capacity), Math.min(ports.next(0), capacity));
        }
    }

    @Test
    void noPortIsFreeWhenAllAreTaken() {
        FreePorts ports = new FreePorts(4096);
        for (int i = 0; i < 4096; i++) {
            ports.take(i);
        }
        assertEquals(FreePorts.NONE, ports.next(1));
        ports.release(4095);
        assertEquals(4095, ports.next(1));
    }
}
