package io.xenemu.core.device;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

class ConsoleRingPropertyTest {
    private static final int TEXT = 9000;
    private static final int ROUNDS = 100_000;

    /// Both directions at once, in pieces of every size, from any index on (also across the wrap of 2^32).
    @Property(tries = 200)
    void everyByteArrivesOnceAndInOrder(
            @ForAll int firstIndex,
            @ForAll long seed,
            @ForAll @IntRange(min = 1, max = 3000) int sinkSize,
            @ForAll @IntRange(min = 1, max = 3000) int sourceSize)
            throws InterruptedException {
        var random = new Random(seed);
        var printed = new byte[TEXT];
        var typed = new byte[TEXT];
        random.nextBytes(printed);
        random.nextBytes(typed);
        var sink = new BytePipe(sinkSize);
        var source = new BytePipe(sourceSize);
        var seen = new ByteArrayOutputStream();
        var got = new byte[TEXT];
        try (Arena arena = Arena.ofConfined()) {
            var ring = new GuestConsole(arena, firstIndex);
            var console = new ConsoleRing(ring.page, sink, source, () -> {});
            int out = 0;
            int in = 0;
            int read = 0;
            var piece = new byte[4096];
            for (int i = 0; i < ROUNDS && (seen.size() < TEXT || read < TEXT); i++) {
                out += ring.print(printed, out, Math.min(TEXT - out, random.nextInt(2100)));
                in += source.offer(typed, in, Math.min(TEXT - in, random.nextInt(2100)));
                console.service();
                read += ring.read(got, read, Math.min(TEXT - read, random.nextInt(1100)));
                seen.write(piece, 0, sink.poll(piece, 0, random.nextInt(piece.length)));
            }
        }
        assertArrayEquals(printed, seen.toByteArray());
        assertArrayEquals(typed, got);
    }

    /// A guest that writes anything into the page: no failure, no more bytes than a ring holds, nothing outside the
    /// page.
    @Property(tries = 500)
    void hostileGuestHarmsOnlyItself(
            @ForAll @Size(max = 20) List<@IntRange(min = 0, max = 1023) Integer> words,
            @ForAll @Size(min = 1, max = 20) List<Integer> values) {
        try (Arena arena = Arena.ofConfined()) {
            var ring = new GuestConsole(arena, 0);
            var source = new BytePipe(2000);
            source.offer(new byte[2000], 0, 2000);
            var count = new int[1];
            ByteSink sink =
                    (bytes, offset, length) -> {
                        assertTrue(length >= 0 && length <= 2048 && offset == 0);
                        count[0]++;
                        return length;
                    };
            var console = new ConsoleRing(ring.page, sink, source, () -> {});
            for (int i = 0; i < words.size(); i++) {
                int at = i % 3 == 0 ? words.get(i) * 4 : 0xc00 + words.get(i) % 4 * 4;
                ring.set(at, values.get(i % values.size()));
                console.service();
            }
            assertTrue(count[0] <= words.size());
        }
    }
}
