package io.xenemu.core.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.primitives.ImmutableLongArray;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;

final class PageRunsPropertyTest {
    /// The highest page of the largest guest, and the number of its pages.
    private static final int TOP = (1 << 30) - 1;

    @Provide
    Arbitrary<List<Long>> words() {
        return Arbitraries.frequencyOf(
                        Tuple.of(3, Arbitraries.just(0L)),
                        Tuple.of(5, Arbitraries.just(-1L)),
                        Tuple.of(2, Arbitraries.longs()))
                .list()
                .ofMaxSize(40);
    }

    private static MemoryState state(PageRuns gone) {
        return new MemoryState(List.of(), gone, 0, List.of(), Optional.empty());
    }

    private static PageRuns decoded(PageRuns gone) throws WireException {
        BodyWriter body = MemoryStateCodec.encode(state(gone));
        return MemoryStateCodec.decode(MemoryStateCodec.VERSION, new BodyReader(body.toBytes()))
                .gone();
    }

    @Property
    void setsAreTheSameAfterASave(@ForAll("words") List<Long> words) throws WireException {
        BitSet pages = BitSet.valueOf(words.stream().mapToLong(Long::longValue).toArray());
        PageRuns runs = PageRuns.of(pages);
        assertEquals(pages.length(), runs.length());
        assertEquals(runs, decoded(runs));
        BitSet again = new BitSet();
        decoded(runs).addTo(again);
        assertEquals(pages, again);
    }

    /// A balloon takes most of a guest of 4 TiB, and a page at its end.
    @Example
    void largestGuestsMemoryIsSavedInAFewBytes() throws WireException {
        PageRuns runs =
                new PageRuns(
                        List.of(
                                new PageRuns.Run(1 << 20, 1 << 23, ImmutableLongArray.of()),
                                new PageRuns.Run(
                                        PageRuns.MAX_WORDS - 1,
                                        1,
                                        ImmutableLongArray.of(Long.MIN_VALUE))));
        assertEquals(TOP + 1L, runs.length());
        assertTrue(runs.fits());
        assertTrue(MemoryStateCodec.encode(state(runs)).toBytes().length < 100);
        assertEquals(runs, decoded(runs));
    }

    @Example
    void setInTooManyPiecesDoesNotFit() {
        long[] scattered = new long[PageRuns.MAX_WRITTEN + 1];
        Arrays.fill(scattered, 0x5555_5555_5555_5555L);
        assertFalse(PageRuns.of(ImmutableLongArray.copyOf(scattered)).fits());
        scattered[PageRuns.MAX_WRITTEN] = 0;
        assertTrue(PageRuns.of(ImmutableLongArray.copyOf(scattered)).fits());
    }

    private static BodyWriter runs(int... fromAndCount) {
        BodyWriter body = new BodyWriter().u32(0).u32(fromAndCount.length / 2);
        for (int i = 0; i < fromAndCount.length; i += 2) {
            body.u32(fromAndCount[i]).u32(fromAndCount[i + 1]).bool(true);
        }
        return body.u64(0).u32(0).bool(false);
    }

    @Example
    void impossibleRunsAreRefused() {
        for (BodyWriter wrong :
                List.of(
                        runs(5, 2, 6, 1),
                        runs(5, 0),
                        runs(PageRuns.MAX_WORDS, 1),
                        runs(1, PageRuns.MAX_WORDS),
                        runs(-1, 1),
                        new BodyWriter().u32(0).u32(1).u32(0).u32(1 << 23).bool(false))) {
            assertThrows(
                    WireException.class,
                    () -> MemoryStateCodec.decode(3, new BodyReader(wrong.toBytes())));
        }
    }
}
