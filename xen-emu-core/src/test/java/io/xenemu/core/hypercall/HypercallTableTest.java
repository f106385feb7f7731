package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class HypercallTableTest {
    private static final long MEMORY_OP = 12;
    private static final long SET_TIMER_OP = 15;
    private static final long EVENT_CHANNEL_OP = 32;
    private static final long HVM_OP = 34;

    /// Only the low 32 bits of most sub-operations count: they are an `int` in C. Those of memory_op and hvm_op are an
    /// `unsigned long`, and memory_op's has its progress there.
    private static final long ABOVE_32_BITS = 1L << 32;

    private final HypercallTable table = HypercallTable.standard();

    @Test
    void everyDeclaredOperationIsFoundByItsNumbers() {
        int found = 0;
        for (HypercallOp op : table.ops()) {
            if (!op.unknown()) {
                assertSame(op, table.lookup(op.number(), op.command()));
                HypercallOp far = table.lookup(op.number(), op.command() | ABOVE_32_BITS);
                assertEquals(op.number() == HVM_OP, far.unknown(), op.toString());
                assertEquals(op.number(), far.number());
                found++;
            }
        }
        assertTrue(found > 0);
    }

    @Test
    void indicesAreDense() {
        for (int i = 0; i < table.ops().size(); i++) {
            assertEquals(i, table.ops().get(i).index());
        }
    }

    @ParameterizedTest
    @ValueSource(
            longs = {
                -1,
                11,
                43,
                47,
                50,
                63,
                64,
                Long.MIN_VALUE,
                Long.MAX_VALUE,
                ABOVE_32_BITS + 17
            })
    void unknownNumbersShareOneRow(long number) {
        HypercallOp op = table.lookup(number, 0);

        assertTrue(op.unknown());
        assertEquals(HypercallTable.UNKNOWN, op.hypercall());
        assertSame(table.lookup(63, 5), op);
    }

    @ParameterizedTest
    @ValueSource(longs = {15, 16, 63, 64, 0x7fff_ffff, 0x8000_0000L, -1})
    void unknownOperationsOfAHypercallShareOneRow(long command) {
        HypercallOp op = table.lookup(EVENT_CHANNEL_OP, command);

        assertTrue(op.unknown());
        assertEquals("event_channel_op", op.hypercall());
        assertSame(table.lookup(EVENT_CHANNEL_OP, 15), op);
        assertNotSame(table.lookup(MEMORY_OP, 0x3f), op);
    }

    @Test
    void memoryOpKeepsItsProgressAboveTheCommand() {
        HypercallOp memoryMap = table.lookup(MEMORY_OP, 9);

        assertEquals("memory_map", memoryMap.op());
        assertSame(memoryMap, table.lookup(MEMORY_OP, 9 | 5 << 6));
        assertSame(memoryMap, table.lookup(MEMORY_OP, 9 | 0x3ff_ffffL << 6));
        assertTrue(table.lookup(MEMORY_OP, 0x3f | 5 << 6).unknown());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 64, -1, Long.MIN_VALUE})
    void hypercallWithoutOperationsTakesAnyFirstArgument(long first) {
        assertEquals("set_timer_op", table.lookup(SET_TIMER_OP, first).hypercall());
        assertFalse(table.lookup(SET_TIMER_OP, first).unknown());
    }

    @Test
    void numbersMayBeSparse() {
        HypercallTable sparse =
                new HypercallTable(
                        List.of(
                                HypercallFamily.of("last", 63).op(63, "end", c -> 1),
                                HypercallFamily.single("first", 0, c -> 2)));

        assertEquals("end", sparse.lookup(63, 63).op());
        assertEquals("first", sparse.lookup(0, 7).hypercall());
        for (int number = 1; number < 63; number++) {
            assertEquals(HypercallTable.UNKNOWN, sparse.lookup(number, 0).hypercall());
        }
    }

    @Test
    void twoDeclarationsOfOneNumberAreRefused() {
        List<HypercallFamily> families =
                List.of(HypercallFamily.of("a", 5), HypercallFamily.of("b", 5));

        assertThrows(IllegalArgumentException.class, () -> new HypercallTable(families));
    }

    @Test
    void twoDeclarationsOfOneOperationAreRefused() {
        List<HypercallFamily> families =
                List.of(HypercallFamily.of("a", 5).op(3, "x", c -> 0).op(3, "y", c -> 0));

        assertThrows(IllegalArgumentException.class, () -> new HypercallTable(families));
    }
}
