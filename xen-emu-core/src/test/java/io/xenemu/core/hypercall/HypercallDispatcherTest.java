package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class HypercallDispatcherTest {
    private static final int NUMBER = 7;
    private static final int ANSWERS = 0;
    private static final int REFUSES = 1;
    private static final int BROKEN = 2;
    private static final int HOST_FAILS = 3;

    private final KvmException hostFailure = new KvmException("KVM_XEN_HVM_SET_ATTR", 12);
    private final HypercallTable table =
            new HypercallTable(
                    List.of(
                            HypercallFamily.of("test_op", NUMBER)
                                    .op(ANSWERS, "answers", c -> 42)
                                    .op(REFUSES, "refuses", HypercallDispatcherTest::refuse)
                                    .op(BROKEN, "broken", HypercallDispatcherTest::fail)
                                    .op(
                                            HOST_FAILS,
                                            "host_fails",
                                            c -> {
                                                throw hostFailure;
                                            })));
    private final HypercallCounters counters =
            new HypercallCounters(table.ops().size(), (op, errno) -> {});
    private final List<String> crashes = new ArrayList<>();
    private final HypercallDispatcher dispatcher =
            new HypercallDispatcher(table, counters, crashes::add);

    private final TestDomain guest = new TestDomain(1);
    private final HypercallContext caller = guest.caller(0, true);

    HypercallDispatcherTest() throws BootException, XenError {}

    @AfterEach
    void close() {
        guest.close();
    }

    private long call(long number, long first) {
        return call(number, first, 0);
    }

    private long call(long number, long first, int cpl) {
        caller.begin(number, cpl);
        caller.setParameter(0, first);
        return dispatcher.dispatch(caller);
    }

    private static long refuse(HypercallContext call) throws XenError {
        throw XenError.ENOSPC;
    }

    private static long fail(HypercallContext call) {
        throw new IndexOutOfBoundsException("a test's deliberate bug");
    }

    private long count(long number, long first, XenError error) {
        return counters.count(table.lookup(number, first), error.number());
    }

    @Test
    void answerReachesTheGuestAndIsCounted() {
        assertEquals(42, call(NUMBER, ANSWERS));
        assertEquals(42, call(NUMBER, ANSWERS));

        HypercallOp op = table.lookup(NUMBER, ANSWERS);
        assertEquals(2, counters.count(op, 0));
        assertTrue(counters.nanos(op, 0) > 0);
    }

    @Test
    void xenErrorBecomesItsNegatedNumber() {
        assertEquals(-28, call(NUMBER, REFUSES));
        assertEquals(1, count(NUMBER, REFUSES, XenError.ENOSPC));
        assertEquals(0, counters.count(table.lookup(NUMBER, REFUSES), 0));
    }

    /// A family with an operation for each of Xen's errors.
    @Test
    void everyErrorReachesTheGuestAndItsOwnMeter() {
        HypercallFamily errors = HypercallFamily.of("error_op", NUMBER);
        for (int i = 0; i < XenError.ALL.size(); i++) {
            XenError error = XenError.ALL.get(i);
            errors.op(i, "fails", c -> fail(error));
        }
        HypercallTable all = new HypercallTable(List.of(errors));
        SimpleMeterRegistry registry = new SimpleMeterRegistry();
        try (HypercallMetrics metrics = new HypercallMetrics(registry, new DomId(3), all)) {
            HypercallDispatcher vcpu =
                    new HypercallDispatcher(all, metrics.newVcpu(), crashes::add);
            for (int i = 0; i < XenError.ALL.size(); i++) {
                XenError error = XenError.ALL.get(i);

                assertEquals(-error.number(), CallingGuest.call(vcpu, caller, NUMBER, i));

                FunctionCounter counter =
                        registry.get("xen.hypercalls")
                                .tags("result", error.symbol())
                                .functionCounter();
                assertEquals(1, counter.count(), error.symbol());
            }
        }
    }

    private static long fail(XenError error) throws XenError {
        throw error;
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, 0, NUMBER + 1, 64, Long.MIN_VALUE})
    void unknownHypercallIsEnosysAndCounted(long number) {
        assertEquals(-38, call(number, 0));
        assertEquals(1, count(number, 0, XenError.ENOSYS));
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, HOST_FAILS + 1, 64, 0xffff_ffffL})
    void unknownOperationIsEnosysAndCounted(long command) {
        assertEquals(-38, call(NUMBER, command));
        assertEquals(1, count(NUMBER, command, XenError.ENOSYS));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void callsFromOutsideTheKernelAreEperm(int cpl) {
        assertEquals(-1, call(NUMBER, BROKEN, cpl));
        assertEquals(-1, call(NUMBER, 60, cpl));
        assertEquals(-1, call(60, 0, cpl));

        assertEquals(1, count(NUMBER, BROKEN, XenError.EPERM));
        assertEquals(1, count(NUMBER, 60, XenError.EPERM));
        assertEquals(1, count(60, 0, XenError.EPERM));
        assertEquals(List.of(), crashes);
    }

    @Test
    void bugOfOursCrashesTheDomainAndTheCallIsEinval() {
        assertEquals(-22, call(NUMBER, BROKEN));

        assertEquals(List.of("internal error in test_op"), crashes);
        assertEquals(1, count(NUMBER, BROKEN, XenError.EINVAL));
    }

    @Test
    void hostFailureIsLeftToTheVcpusLoop() {
        KvmException e = assertThrows(KvmException.class, () -> call(NUMBER, HOST_FAILS));

        assertSame(hostFailure, e);
        assertEquals(List.of(), crashes);
    }
}
