package io.xenemu.core.backend.console;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.common.primitives.Bytes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

class KeptBytesPropertyTest {
    private static final int STEPS = 300;
    private static final int PIECE = 5000;

    /// Beside a queue of the collections: the same bytes in the same order, through growth, wrap and shrinking.
    @Property(tries = 100)
    void bytesComeOutAsTheyWentIn(
            @ForAll @IntRange(min = KeptBytes.LEAST_CAPACITY, max = 300_000) int limit,
            @ForAll long seed) {
        Random random = new Random(seed);
        Queue<Byte> model = new ArrayDeque<>();
        byte[] bytes = new byte[PIECE];
        try (KeptBytes kept = new KeptBytes(limit);
                Arena arena = Arena.ofConfined()) {
            MemorySegment copy = arena.allocate(2 * PIECE);
            for (int step = 0; step < STEPS; step++) {
                int added = Math.min(kept.room(), random.nextInt(PIECE));
                random.nextBytes(bytes);
                kept.add(bytes, 0, added);
                for (int i = 0; i < added; i++) {
                    model.add(bytes[i]);
                }
                // Grows in the first half, and shrinks in the second one.
                int most = step < STEPS / 2 ? PIECE : 2 * PIECE;
                int removed = Math.min(kept.bytes(), random.nextInt(most));
                kept.copy(copy, removed);
                kept.remove(removed);
                for (int i = 0; i < removed; i++) {
                    assertEquals(model.remove(), copy.get(JAVA_BYTE, i));
                }
                if (step == STEPS / 2) {
                    List<Byte> all = List.copyOf(model);
                    assertEquals(all, Bytes.asList(kept.newest(limit)));
                    int some = all.size() / 2;
                    assertEquals(
                            all.subList(all.size() - some, all.size()),
                            Bytes.asList(kept.newest(some)));
                }
                assertEquals(model.size(), kept.bytes());
                assertEquals(limit - model.size(), kept.room());
                assertEquals(kept.bytes(), kept.shown());
            }
        }
    }
}
