package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;

final class HypercallTablePropertyTest {
    private final HypercallTable table = HypercallTable.standard();

    @Property
    void anyRegistersFindARowOfTheirHypercall(@ForAll long number, @ForAll long first) {
        HypercallOp op = table.lookup(number, first);

        assertSame(table.ops().get(op.index()), op);
        if (op.hypercall().equals(HypercallTable.UNKNOWN)) {
            assertTrue(
                    table.ops().stream().noneMatch(o -> o.number() >= 0 && o.number() == number));
        } else {
            assertEquals(number, op.number());
        }
    }

    @Property
    void aFoundOperationIsTheOneThatWasNamed(
            @ForAll @LongRange(min = 0, max = 70) long number,
            @ForAll @LongRange(min = 0, max = 70) long first) {
        HypercallOp op = table.lookup(number, first);

        if (op.command() >= 0) {
            assertEquals(number, op.number());
            // memory_op's command has six bits; no other hypercall is masked.
            assertEquals(number == 12 ? first & 0x3f : first, op.command());
        }
    }
}
