package io.xenemu.core.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.hypercall.HypercallOp;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.kvm.abi.DomId;
import java.io.ByteArrayInputStream;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The contents of a trace of a guest's calls.
@Timeout(60)
final class HypercallTraceTest {
    private static final int MEMORY_OP = 12;
    private static final int SET_TIMER_OP = 15;
    private static final int XEN_VERSION = 17;
    private static final int GRANT_TABLE_OP = 20;
    private static final int EVENT_CHANNEL_OP = 32;
    private static final int SELF = DomId.SELF.value();
    private static final long ARGUMENT = TracedGuest.ARGUMENT;

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void callsArePrintedWithTheirArgumentsByName(boolean longMode) throws Exception {
        try (TracedGuest guest = new TracedGuest(longMode)) {
            HypercallTrace trace = guest.start();
            guest.memory().write32(ARGUMENT, 0);
            guest.memory().write32(ARGUMENT + 4, 0);
            guest.memory().write32(ARGUMENT + 8, 77);
            guest.call(EVENT_CHANNEL_OP, 1, ARGUMENT, 0);
            guest.memory().write32(ARGUMENT, 99);
            guest.call(EVENT_CHANNEL_OP, 3, ARGUMENT, 0);
            guest.call(SET_TIMER_OP, 5, 0, 0);
            guest.call(XEN_VERSION, 7, 0, 0);
            guest.call(63, 1, 2, 3);

            assertEquals(
                    List.of(
                            "v0 event_channel_op(bind_virq, {virq=0, vcpu=0, port=77->1}) = 0",
                            "v0 event_channel_op(close, {port=99}) = -22 EINVAL",
                            "v0 set_timer_op(timeout=5) = 0",
                            "v0 xen_version(pagesize) = 4096",
                            "v0 hypercall 63(arg1=0x1, arg2=0x2, arg3=0x3) = -38 ENOSYS"),
                    TracedGuest.lines(trace));
        }
    }

    @Test
    void elementsOfABatchArePrintedAndBytesAsText() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            guest.memory().write64(ARGUMENT, 0);
            guest.memory().write64(ARGUMENT + 8, 0);
            guest.memory().write64(ARGUMENT + 16, 5);
            guest.call(GRANT_TABLE_OP, 1, ARGUMENT, 1);
            guest.call(XEN_VERSION, 1, ARGUMENT, 0);

            assertEquals(
                    List.of(
                            "v0 grant_table_op(unmap_grant_ref, [{host_addr=0x0, dev_bus_addr=0x0, handle=5, status=0->-4}], count=1) = 0",
                            "v0 xen_version(extraversion, text=\".0-xen-emu\") = 0"),
                    TracedGuest.lines(trace));
        }
    }

    @Test
    void argumentThatCannotBeReachedIsShownByItsAddress() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            guest.call(EVENT_CHANNEL_OP, 4, 0xdead_0000_0000L, 0);

            assertEquals(
                    List.of("v0 event_channel_op(send, arg=0xdead00000000) = -14 EFAULT"),
                    TracedGuest.lines(trace));
        }
    }

    @Test
    void filterTakesTheCallsThatItNames() throws Exception {
        HypercallTable table = HypercallTable.standard();
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace =
                    guest.start(TraceFilter.of(table, "set_timer_op,event_channel_op/send"));
            guest.call(SET_TIMER_OP, 0, 0, 0);
            guest.call(EVENT_CHANNEL_OP, 3, 0, 0);
            guest.call(EVENT_CHANNEL_OP, 4, 0, 0);
            guest.call(XEN_VERSION, 7, 0, 0);

            assertEquals(
                    List.of(15L, 32L),
                    TracedGuest.calls(trace).stream().map(TracedCall::number).toList());
        }
        for (String wrong : List.of("", "nonsense", "event_channel_op/", "event_channel_op,")) {
            Exception refused =
                    assertThrows(
                            IllegalArgumentException.class, () -> TraceFilter.of(table, wrong));
            assertFalse(refused.toString().contains("\n"));
        }
    }

    @Test
    void callsThatNobodyReadsAreLostAndCounted() throws Exception {
        int calls = 100_000;
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            for (int i = 0; i < calls; i++) {
                assertEquals(4096, guest.call(XEN_VERSION, 7, 0, 0));
            }
            TraceReader reader =
                    new TraceReader(new ByteArrayInputStream(TracedGuest.bytes(trace)));

            long kept = TracedGuest.calls(reader).size();

            TraceReader.End end = Objects.requireNonNull(reader.end());
            assertEquals(calls, kept + end.lost());
            assertTrue(end.lost() > 0);
        }
    }

    @Test
    void longBatchIsCutAndSaysSo() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            assertEquals(0, guest.call(GRANT_TABLE_OP, 1, ARGUMENT, 500));

            TracedCall call = TracedGuest.calls(trace).getFirst();
            assertTrue(call.isCut());
            assertEquals(0, call.result());
        }
    }

    @Test
    void traceEndsWithItsDomainAndLeavesNothing() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace first = guest.start();
            assertEquals("it is being traced", guest.points().obstacle(guest.guest().domain()));
            first.close();
            first.close();
            assertNull(guest.points().obstacle(guest.guest().domain()));
            guest.call(XEN_VERSION, 7, 0, 0);
            assertEquals(List.of(), TracedGuest.calls(first));

            HypercallTrace second = guest.start();
            guest.call(XEN_VERSION, 7, 0, 0);
            guest.points().remove(guest.guest().domain().id());
            assertEquals("it has ended", guest.points().obstacle(guest.guest().domain()));
            assertEquals(1, TracedGuest.calls(second).size());
        }
    }

    @Test
    void recordHasTheBytesThatWereCopied() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            guest.memory().write16(ARGUMENT, SELF);
            assertTrue(guest.call(MEMORY_OP, 3, ARGUMENT, 0) > 0);

            TracedAccess access = TracedGuest.calls(trace).getFirst().accesses().getFirst();
            assertEquals(AccessKind.IN, access.kind());
            assertEquals(ARGUMENT, access.linear());
            assertEquals(ARGUMENT, access.physical());
            assertEquals(2, access.bytes().length);
            assertEquals((byte) SELF, access.bytes()[0]);
        }
    }

    @Test
    void everyServedCallHasAPrototype() {
        Set<String> unnamed = new TreeSet<>();
        for (HypercallOp row : HypercallTable.standard().ops()) {
            if (row.isServed() && Prototypes.of(row.hypercall(), row.op()) == null) {
                unnamed.add(row.hypercall() + '/' + row.op());
            }
        }

        assertEquals(Set.of(), unnamed);
    }

    @Test
    void everyPrototypeIsOfACallOfTheTable() {
        Set<String> rows =
                HypercallTable.standard().ops().stream()
                        .map(row -> row.hypercall() + '/' + row.op())
                        .collect(Collectors.toSet());
        Set<String> strangers = new TreeSet<>();
        Prototypes.names().forEach(strangers::add);
        strangers.removeAll(rows);

        assertEquals(Set.of(), strangers);
        assertNotNull(Prototypes.of("event_channel_op", "send"));
    }
}
