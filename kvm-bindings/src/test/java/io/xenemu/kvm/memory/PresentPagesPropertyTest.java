package io.xenemu.kvm.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.BitSet;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

class PresentPagesPropertyTest {
    static final int PAGES = 300;

    @Property(tries = 300)
    void rangesAreThoseOfASet(
            @ForAll @Size(max = 12) List<@IntRange(max = PAGES) Integer> bounds,
            @ForAll @IntRange(max = PAGES) int from,
            @ForAll @IntRange(max = PAGES) int to) {
        BitSet model = new BitSet();
        try (PresentPages present = PresentPages.create("present", PAGES)) {
            for (int i = 1; i < bounds.size(); i += 2) {
                int first = Math.min(bounds.get(i - 1), bounds.get(i));
                int end = Math.max(bounds.get(i - 1), bounds.get(i));
                present.set(first, end);
                model.set(first, end);
            }
            for (int page = 0; page < PAGES; page++) {
                assertEquals(model.get(page), present.has(page));
            }
            assertEquals(from >= to || model.nextClearBit(from) >= to, present.hasAll(from, to));
        }
    }
}
