package io.xenemu.core.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

class PlacementPropertyTest {
    enum Way {
        FIXED,
        LOWEST,
        HIGHEST
    }

    record Wish(Way way, long start, long length) {}

    @Property
    void nothingOverlapsAndAllIsRam(@ForAll("wishes") List<Wish> wishes) throws BootException {
        var map = new GuestMemoryMap(16L << 20);
        var placement = new Placement(map);
        var given = new ArrayList<long[]>();
        for (Wish wish : wishes) {
            long at =
                    switch (wish.way) {
                        case FIXED -> placement.take(wish.start, wish.length) ? wish.start : -1;
                        case LOWEST -> placement.takeLowest(wish.length);
                        case HIGHEST -> placement.takeHighest(wish.start, wish.length);
                    };
            if (at < 0) {
                continue;
            }
            assertTrue(map.isRam(at, wish.length));
            if (wish.way == Way.HIGHEST) {
                assertTrue(at + wish.length <= wish.start);
            }
            for (long[] other : given) {
                assertTrue(at + wish.length <= other[0] || other[1] <= at);
            }
            given.add(new long[] {at, at + wish.length});
        }
    }

    @Property
    void lowestLiesBelowHighest(@ForAll("wishes") List<Wish> wishes) throws BootException {
        var placement = new Placement(new GuestMemoryMap(16L << 20));
        for (Wish wish : wishes) {
            placement.take(wish.start, wish.length);
        }
        long low = placement.takeLowest(1);
        long high = placement.takeHighest(Long.MAX_VALUE, 1);
        assertEquals(-1, low < 0 || high < 0 ? -1 : Long.compare(low, high));
    }

    @Provide
    Arbitrary<List<Wish>> wishes() {
        return Combinators.combine(
                        Arbitraries.of(Way.class),
                        Arbitraries.longs().between(0, 18L << 20),
                        Arbitraries.longs().between(1, 6L << 20))
                .as(Wish::new)
                .list()
                .ofMaxSize(12);
    }
}
