package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

final class HypercallCountersPropertyTest {
    record Cell(int row, int errno) {}

    private final HypercallTable table = HypercallTable.standard();

    @Provide
    Arbitrary<List<Cell>> calls() {
        Arbitrary<Integer> rows = Arbitraries.integers().between(0, table.ops().size() - 1);
        Arbitrary<Integer> errnos = Arbitraries.of(results());
        return Combinators.combine(rows, errnos).as(Cell::new).list().ofMaxSize(200);
    }

    /// 0 for success, and the number of every error.
    private static List<Integer> results() {
        List<Integer> results = new ArrayList<>(List.of(0));
        XenError.ALL.forEach(error -> results.add(error.number()));
        return results;
    }

    @Property
    void countersAreAMapFromRowAndResult(@ForAll("calls") List<Cell> calls) {
        Map<Cell, Long> counts = new LinkedHashMap<>();
        List<Cell> announced = new ArrayList<>();
        HypercallCounters counters =
                new HypercallCounters(
                        table.ops().size(),
                        (op, errno) -> announced.add(new Cell(op.index(), errno)));

        for (Cell call : calls) {
            HypercallOp op = table.ops().get(call.row);
            counters.end(op, call.errno, counters.begin(op));
            counts.merge(call, 1L, Long::sum);
        }

        for (HypercallOp op : table.ops()) {
            for (int errno : results()) {
                Cell cell = new Cell(op.index(), errno);
                assertEquals(counts.getOrDefault(cell, 0L), counters.count(op, errno));
                assertEquals(counters.timed(op, errno) > 0, counters.nanos(op, errno) > 0);
            }
        }
        assertEquals(List.copyOf(counts.keySet()), announced);
    }

    @Example
    void rareCallsAreAllTimedAndFrequentOnesSometimes() {
        HypercallCounters counters = new HypercallCounters(table.ops().size(), (op, errno) -> {});
        HypercallOp op = table.ops().get(0);
        int calls = HypercallCounters.TIMED_FIRST + 10 * HypercallCounters.TIMED_EVERY;
        for (int i = 0; i < calls; i++) {
            counters.end(op, 0, counters.begin(op));
        }
        assertEquals(calls, counters.count(op, 0));
        assertEquals(HypercallCounters.TIMED_FIRST + 10, counters.timed(op, 0));
    }

    @Example
    void everyXenErrorHasACellOfItsOwn() {
        HypercallCounters counters = new HypercallCounters(table.ops().size(), (op, errno) -> {});
        HypercallOp op = table.ops().getLast();

        for (int errno : results()) {
            counters.end(op, errno, counters.begin(op));
        }

        for (int errno : results()) {
            assertEquals(1, counters.count(op, errno), "errno " + errno);
        }
    }
}
