package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

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

    record Ended(Cell cell, long nanos) {}

    private final HypercallTable table = HypercallTable.standard();

    @Provide
    Arbitrary<List<Ended>> calls() {
        Arbitrary<Integer> rows = Arbitraries.integers().between(0, table.ops().size() - 1);
        Arbitrary<Integer> errnos =
                Arbitraries.integers().between(0, HypercallCounters.RESULTS - 1);
        Arbitrary<Long> nanos = Arbitraries.longs().between(0, 1_000_000);
        return Combinators.combine(rows, errnos, nanos)
                .as((row, errno, n) -> new Ended(new Cell(row, errno), n))
                .list()
                .ofMaxSize(200);
    }

    @Property
    void countersAreAMapFromRowAndResult(@ForAll("calls") List<Ended> calls) {
        Map<Cell, Long> counts = new LinkedHashMap<>();
        Map<Cell, Long> nanos = new LinkedHashMap<>();
        List<Cell> announced = new ArrayList<>();
        HypercallCounters counters =
                new HypercallCounters(
                        table.ops().size(),
                        (op, errno) -> announced.add(new Cell(op.index(), errno)));

        for (Ended call : calls) {
            counters.record(table.ops().get(call.cell.row), call.cell.errno, call.nanos);
            counts.merge(call.cell, 1L, Long::sum);
            nanos.merge(call.cell, call.nanos, Long::sum);
        }

        for (HypercallOp op : table.ops()) {
            for (int errno = 0; errno < HypercallCounters.RESULTS; errno++) {
                Cell cell = new Cell(op.index(), errno);
                assertEquals(counts.getOrDefault(cell, 0L), counters.count(op, errno));
                assertEquals(nanos.getOrDefault(cell, 0L), counters.nanos(op, errno));
            }
        }
        assertEquals(List.copyOf(counts.keySet()), announced);
    }

    @Example
    void everyXenErrorHasACell() throws IllegalAccessException {
        int errors = 0;
        for (var field : XenError.class.getFields()) {
            if (field.get(null) instanceof XenError error) {
                assertTrue(error.number() < HypercallCounters.RESULTS, error.symbol());
                errors++;
            }
        }
        assertTrue(errors > 0);
    }
}
