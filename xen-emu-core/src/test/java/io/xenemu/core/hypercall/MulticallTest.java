package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.XenError;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Lists of hypercalls, as Xen's do_multicall makes them.
final class MulticallTest extends CallingGuest {
    private static final int MULTICALL = 13;
    private static final int MEMORY_OP = 12;
    private static final int XEN_VERSION = 17;
    private static final int GRANT_TABLE_OP = 20;
    private static final long LIST = ARG + 0x2000;

    MulticallTest() throws BootException, XenError {
        super(TestDomain.ofXen(EventChannelConfig.DEFAULT, 4, 19));
    }

    private int word(HypercallContext caller) {
        return caller == wide ? 8 : 4;
    }

    private void write(HypercallContext caller, long at, long value) throws XenError {
        if (caller == wide) {
            memory.write64(at, value);
        } else {
            memory.write32(at, (int) value);
        }
    }

    /// `struct multicall_entry`: op, result, six arguments.
    private void entry(HypercallContext caller, int index, long op, long... args) throws XenError {
        int word = word(caller);
        long at = LIST + 8L * word * index;
        write(caller, at, op);
        write(caller, at + word, 0x77);
        for (int i = 0; i < 6; i++) {
            write(caller, at + (2L + i) * word, i < args.length ? args[i] : 0);
        }
    }

    private long field(HypercallContext caller, int index, int field) throws XenError {
        int word = word(caller);
        long at = LIST + 8L * word * index + (long) field * word;
        return caller == wide ? memory.read64(at) : memory.read32(at);
    }

    private long result(HypercallContext caller, int index) throws XenError {
        return field(caller, index, 1);
    }

    private List<HypercallContext> callers() {
        return List.of(wide, narrow);
    }

    @Test
    void eachCallHasItsResultAndTheMulticallReturnsZero() throws XenError {
        for (HypercallContext caller : callers()) {
            entry(caller, 0, XEN_VERSION, 0);
            entry(caller, 1, 63);
            entry(caller, 2, MULTICALL, LIST, 1);
            entry(caller, 3, EVENT_CHANNEL_OP, CLOSE, NOWHERE);
            entry(caller, 4, XEN_VERSION, 7);
            assertEquals(0, call(caller, MULTICALL, LIST, 4, 11, 12, 13, 14));
            assertEquals(0x0004_0013, result(caller, 0));
            assertEquals(-38, result(caller, 1));
            assertEquals(-22, result(caller, 2));
            assertEquals(-14, result(caller, 3));
            assertEquals(0x77, result(caller, 4), "not in the list");
            assertEquals(XEN_VERSION, field(caller, 0, 0), "only the result is written");
            for (int i = 2; i < 6; i++) {
                assertEquals(9 + i, caller.word(i), "a register of the guest's");
            }
        }
    }

    @Test
    void anotherMulticallIsPossibleAfterOne() throws XenError {
        entry(wide, 0, MULTICALL, LIST, 0);
        assertEquals(0, call(MULTICALL, LIST, 1));
        assertEquals(0, call(MULTICALL, LIST, 1));
        assertEquals(-22, result(wide, 0));
        assertEquals(0, call(MULTICALL, NOWHERE, 0));
        assertEquals(-14, call(MULTICALL, NOWHERE, 1));
        assertEquals(0, call(MULTICALL, LIST, 1));
    }

    @Test
    void unreadableEntryEndsTheListAfterTheEntriesBefore() throws XenError {
        long page = LIST & -4096;
        guest.mapArgument(ARG);
        long last = 0x20_0000 - 64;
        memory.write64(last, XEN_VERSION);
        memory.write64(last + 16, 7);
        assertEquals(-14, call(MULTICALL, last, 2));
        assertEquals(4096, memory.read64(last + 8));
        assertTrue(page > 0);
    }

    @Test
    void numberOfCallsHas32BitsUpTo419() throws BootException, XenError {
        entry(wide, 0, XEN_VERSION, 7);
        assertEquals(0, call(MULTICALL, LIST, 1L << 32 | 1));
        try (TestDomain newer = TestDomain.ofXen(EventChannelConfig.DEFAULT, 4, 20)) {
            newer.memory().write64(0x20_0000 - 64, XEN_VERSION);
            assertEquals(
                    -14,
                    call(
                            newer.dispatcher(),
                            newer.caller(0, true),
                            MULTICALL,
                            0x20_0000 - 64,
                            1L << 32 | 1));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void vcpuThatIsToParkGoesOnLaterWithTheRest(boolean isWide) throws XenError {
        HypercallContext caller = isWide ? wide : narrow;
        guest.domain().pause();
        for (int i = 0; i < 3; i++) {
            entry(caller, i, XEN_VERSION, 7);
        }
        long size = 8L * word(caller);
        assertEquals(HypercallContext.CONTINUED, call(caller, MULTICALL, LIST, 3));
        assertEquals(LIST + size, caller.word(0));
        assertEquals(2, caller.word(1));
        assertEquals(4096, result(caller, 0));
        assertEquals(0x77, result(caller, 1));
        assertEquals(HypercallContext.CONTINUED, call(caller, MULTICALL, LIST + size, 2));
        assertEquals(0, call(caller, MULTICALL, LIST + 2 * size, 1));
        assertEquals(4096, result(caller, 2));
    }

    /// Its entry then has the parameters with which it goes on, as from Xen.
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void longCallWithinGoesOnWithItsOwnRest(boolean isWide) throws XenError {
        HypercallContext caller = isWide ? wide : narrow;
        guest.domain().pause();
        long copies = ARG + 0x4000;
        memory.fill(copies, 2 * 40, (byte) 0);
        entry(caller, 0, GRANT_TABLE_OP, 5, copies, 2);
        entry(caller, 1, XEN_VERSION, 7);
        assertEquals(HypercallContext.CONTINUED, call(caller, MULTICALL, LIST, 2));
        assertEquals(LIST, caller.word(0));
        assertEquals(2, caller.word(1));
        assertEquals(copies + (isWide ? 40 : 24), field(caller, 0, 3));
        assertEquals(1, field(caller, 0, 4));
        assertEquals(HypercallContext.CONTINUED, call(caller, MULTICALL, LIST, 2));
        assertEquals(0, result(caller, 0));
        assertEquals(LIST + 8L * word(caller), caller.word(0));
    }

    @Test
    void callsWithinStopWithTheDomain() throws XenError {
        memory.write32(ARG, 1);
        entry(wide, 0, SCHED_OP, 2, ARG);
        entry(wide, 1, XEN_VERSION, 7);
        assertEquals(HypercallContext.CONTINUED, call(MULTICALL, LIST, 2));
        ShutdownLatch.Outcome outcome = guest.domain().shutdownLatch().get();
        assertNotNull(outcome);
        assertEquals(0, result(wide, 0));
        assertEquals(0x77, result(wide, 1));
    }

    @Test
    void callsWithinAreCountedAsTheirOwn() throws XenError {
        HypercallTable table = HypercallTable.standard();
        HypercallCounters counters = new HypercallCounters(table.ops().size(), (_, _) -> {});
        HypercallDispatcher counting = new HypercallDispatcher(table, counters, _ -> {});
        entry(wide, 0, MEMORY_OP, 3, NOWHERE);
        entry(wide, 1, MEMORY_OP, 3, NOWHERE);
        assertEquals(0, call(counting, guest.caller(0, true), MULTICALL, LIST, 2));
        assertEquals(2, counters.count(table.lookup(MEMORY_OP, 3), 14));
        assertEquals(1, counters.count(table.lookup(MULTICALL, 0), 0));
    }

    @Test
    void callersOutsideTheKernelAreRefused() {
        wide.begin(MULTICALL, 3);
        assertEquals(-1, dispatcher.dispatch(wide));
        assertFalse(guest.domain().isPaused());
    }
}
