package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/// Counts by page, against a map.
final class PinnedFramesPropertyTest {
    /// So many that they collide and make the table grow.
    private static final int FRAMES = 200;

    /// Frames to add, and where negative, to remove.
    @Provide
    Arbitrary<List<Integer>> changes() {
        return Arbitraries.integers().between(-FRAMES, FRAMES).list().ofMaxSize(600);
    }

    @Property(tries = 200)
    void countsAsAMapDoes(@ForAll("changes") List<Integer> changes, @ForAll boolean near) {
        PinnedFrames pinned = new PinnedFrames();
        Map<Long, Integer> model = new HashMap<>();
        for (int change : changes) {
            long mfn = frame(Math.abs(change), near);
            if (change >= 0) {
                pinned.add(mfn);
                model.merge(mfn, 1, Integer::sum);
            } else if (model.containsKey(mfn)) {
                pinned.remove(mfn);
                model.computeIfPresent(mfn, (_, count) -> count == 1 ? null : count - 1);
            } else {
                assertThrows(IllegalStateException.class, () -> pinned.remove(mfn));
            }
        }
        for (int i = 0; i <= FRAMES; i++) {
            long mfn = frame(i, near);
            assertEquals(model.containsKey(mfn), pinned.contains(mfn));
        }
    }

    private static long frame(int number, boolean near) {
        return near ? number : (long) number << 40;
    }
}
