package io.xenemu.core.xenimage;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Objects;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.Size;

class PageSetPropertyTest {
    @Property(tries = 300)
    void aSetHasWhatWasAddedAndNotRemoved(
            @ForAll @Size(max = 200) List<@LongRange(min = -200_000, max = 200_000) Long> changes,
            @ForAll @LongRange(max = 200_000) long asked) {
        PageSet pages = new PageSet();
        TreeSet<Long> model = new TreeSet<>();
        for (long change : changes) {
            if (change < 0) {
                assertEquals(model.remove(-change), pages.remove(-change));
            } else {
                assertEquals(model.add(change), pages.add(change));
            }
        }
        assertEquals(model.size(), pages.size());
        assertEquals(model.contains(asked), pages.has(asked));
        assertEquals(Objects.requireNonNullElse(model.ceiling(asked), -1L), pages.next(asked));
        assertEquals(Objects.requireNonNullElse(model.lower(asked), -1L), pages.lastBefore(asked));
    }
}
