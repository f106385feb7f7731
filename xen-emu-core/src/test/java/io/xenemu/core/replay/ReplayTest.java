package io.xenemu.core.replay;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.trace.HypercallTrace;
import io.xenemu.core.trace.TraceBeginning;
import io.xenemu.core.trace.TraceFilter;
import io.xenemu.core.trace.TraceReader;
import io.xenemu.core.trace.TracedGuest;
import io.xenemu.kvm.abi.XenError;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Replays of traces that were recorded here.
final class ReplayTest {
    private static final int MEMORY_OP = 12;
    private static final int SCHED_OP = 29;
    private static final int EVENT_CHANNEL_OP = 32;
    private static final int HVM_OP = 34;
    private static final long BLOCK = 1;
    private static final long POLL = 3;
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final int BIND_VIRQ = 1;
    private static final int CLOSE = 3;
    private static final int STATUS = 5;
    private static final int ALLOC_UNBOUND = 6;
    private static final int GET_TIME = 10;
    private static final int MAXIMUM_RESERVATION = 4;
    private static final int MULTICALL = 13;
    private static final int SELF = 0x7ff0;
    private static final long ARGUMENT = TracedGuest.ARGUMENT;
    private static final long LIST = ARGUMENT + 0x100;

    private static ReplayReport replay(byte[] trace) throws ReplayException, IOException {
        return Replay.run(
                HypercallTable.standard(), new TraceReader(new ByteArrayInputStream(trace)));
    }

    private static void allocate(TracedGuest guest) throws XenError {
        guest.memory().write16(ARGUMENT, SELF);
        guest.memory().write16(ARGUMENT + 2, 0);
        assertEquals(0, guest.call(EVENT_CHANNEL_OP, ALLOC_UNBOUND, ARGUMENT, 0));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void replayBeginsWithTheStateOfTheDomain(boolean longMode) throws Exception {
        try (TracedGuest guest = new TracedGuest(longMode)) {
            allocate(guest);
            allocate(guest);
            HypercallTrace trace = guest.start();
            allocate(guest);
            guest.memory().write32(ARGUMENT, 1);
            assertEquals(0, guest.call(EVENT_CHANNEL_OP, CLOSE, ARGUMENT, 0));
            allocate(guest);
            assertEquals(1, guest.memory().read32(ARGUMENT + 4));

            ReplayReport report = replay(TracedGuest.bytes(trace));

            assertNull(report.difference(), () -> String.join("\n", report.lines()));
            assertEquals(3, report.compared());
            assertEquals(Map.of(), report.skipped());
        }
    }

    /// A call of the trace may name any page: the sets of pages grow with the highest one.
    @Test
    void domainTooLargeForTheHeapIsRefusedInOneLine() throws ReplayException {
        Replay.requireRoom(512 << 20, 8 << 20);
        Replay.requireRoom(GuestMemoryMap.MAX_BYTES, 2L << 30);
        ReplayException refused =
                assertThrows(
                        ReplayException.class,
                        () -> Replay.requireRoom(GuestMemoryMap.MAX_BYTES, 256 << 20));
        assertEquals(
                "its domain of 4096 GiB needs a heap of 1536 MiB: XEN_EMU_JAVA_OPTS=-Xmx1536m",
                refused.getMessage());
    }

    @Test
    void resultThatDiffersIsReportedWithItsLine() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            allocate(guest);
            guest.memory().write32(ARGUMENT, 1);
            assertEquals(0, guest.call(EVENT_CHANNEL_OP, CLOSE, ARGUMENT, 0));
            allocate(guest);

            byte[] changed =
                    ChangedTrace.result(TracedGuest.bytes(trace), 1, -XenError.EINVAL.number());
            ReplayReport.Difference difference = replay(changed).difference();

            assertNotNull(difference);
            assertEquals(2, difference.line());
            assertTrue(difference.recorded().endsWith("(close, {port=1}) = -22 EINVAL"));
            assertTrue(difference.computed().endsWith("(close, {port=1}) = 0"));
        }
    }

    @Test
    void byteThatDiffersIsReported() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            allocate(guest);

            ReplayReport report = replay(ChangedTrace.lastByte(TracedGuest.bytes(trace), 0, 7));

            ReplayReport.Difference difference = report.difference();
            assertNotNull(difference);
            assertEquals("it writes other bytes", difference.what());
            assertEquals("1 calls, 1 compared", report.lines().getLast());
        }
    }

    @Test
    void callsThatCannotBeComparedAreCountedByTheReason() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            allocate(guest);
            HypercallTrace trace = guest.start();
            assertEquals(0, guest.call(HVM_OP, GET_TIME, ARGUMENT, 0));
            guest.memory().write16(ARGUMENT, SELF);
            guest.memory().write32(ARGUMENT + 4, 1);
            assertEquals(0, guest.call(EVENT_CHANNEL_OP, STATUS, ARGUMENT, 0));

            ReplayReport report = replay(TracedGuest.bytes(trace));

            assertEquals(
                    List.of(
                            "2 calls, 1 compared",
                            "1 of them by the result alone: gives a time",
                            "1 not compared: depends on the other end of a channel"),
                    report.lines());
        }
    }

    @Test
    void watchdogDoesNotEndTheReplay() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            guest.memory().write32(ARGUMENT, 0);
            guest.memory().write32(ARGUMENT + 4, 0);
            assertEquals(1, guest.call(SCHED_OP, 6, ARGUMENT, 0));
            for (int i = 0; i < 200; i++) {
                guest.call(EVENT_CHANNEL_OP, CLOSE, ARGUMENT, 0);
            }

            ReplayReport report = replay(TracedGuest.bytes(trace));

            assertEquals(201, report.compared());
        }
    }

    @Test
    void callsAfterAShutdownAreNotCompared() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            guest.memory().write32(ARGUMENT, 0);
            assertEquals(0, guest.call(SCHED_OP, 2, ARGUMENT, 0));
            guest.call(EVENT_CHANNEL_OP, CLOSE, ARGUMENT, 0);

            ReplayReport report = replay(TracedGuest.bytes(trace));

            assertEquals(1, report.compared());
            assertEquals(Map.of("made after the guest had shut down", 1L), report.skipped());
        }
    }

    @Test
    void multicallIsReplayedAsAWhole() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            for (int i = 0; i < 2; i++) {
                guest.memory().write64(LIST + 64L * i, EVENT_CHANNEL_OP);
                guest.memory().write64(LIST + 64L * i + 16, ALLOC_UNBOUND);
                guest.memory().write64(LIST + 64L * i + 24, ARGUMENT);
            }
            guest.memory().write32(ARGUMENT, SELF);
            assertEquals(0, guest.call(MULTICALL, LIST, 2, 0));
            assertEquals(2, guest.memory().read32(ARGUMENT + 4));

            ReplayReport report = replay(TracedGuest.bytes(trace));

            assertNull(report.difference(), () -> String.join("\n", report.lines()));
            assertEquals(3, report.compared());
        }
    }

    @Test
    void operatorsChangeOfMemoryIsReplayed() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            long bytes = guest.guest().domain().config().memoryBytes() / 2;
            guest.guest().domain().memory().setMax(bytes);
            Objects.requireNonNull(guest.guest().domain().observer()).memoryChanged(bytes, false);
            guest.memory().write16(ARGUMENT, SELF);
            assertTrue(guest.call(MEMORY_OP, MAXIMUM_RESERVATION, ARGUMENT, 0) > 0);

            ReplayReport report = replay(TracedGuest.bytes(trace));

            assertNull(report.difference(), () -> String.join("\n", report.lines()));
            assertEquals(1, report.compared());
        }
    }

    @Test
    void virqsOfTheGuestAreBoundAgain() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            guest.memory().write32(ARGUMENT, 0);
            guest.memory().write32(ARGUMENT + 4, 0);
            assertEquals(0, guest.call(EVENT_CHANNEL_OP, BIND_VIRQ, ARGUMENT, 0));
            assertEquals(
                    -XenError.EEXIST.number(),
                    guest.call(EVENT_CHANNEL_OP, BIND_VIRQ, ARGUMENT, 0));

            assertNull(replay(TracedGuest.bytes(trace)).difference());
        }
    }

    @Test
    void multicallWithoutAnEndIsRefused() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            for (int i = 0; i < 300; i++) {
                guest.call(EVENT_CHANNEL_OP, CLOSE, ARGUMENT, 0);
            }

            assertRefused(
                    "line 257: a multicall without an end",
                    ChangedTrace.allWithin(TracedGuest.bytes(trace)));
        }
    }

    /// No genuine trace leads to such a wait, since the record of the call within the multicall says that it waits.
    @ParameterizedTest
    @ValueSource(longs = {BLOCK, POLL})
    void callThatWaitsInAMulticallDoesNotStopTheReplay(long command) throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            guest.memory().write64(LIST, EVENT_CHANNEL_OP);
            guest.memory().write64(LIST + 16, ALLOC_UNBOUND);
            guest.memory().write64(LIST + 24, ARGUMENT);
            guest.memory().write32(ARGUMENT, SELF);
            assertEquals(0, guest.call(MULTICALL, LIST, 1, 0));
            byte[] shown = ChangedTrace.outside(TracedGuest.bytes(trace), 0);
            byte[] changed = ChangedTrace.firstOfMulticall(shown, 1, SCHED_OP, command);

            ReplayReport report = assertTimeoutPreemptively(PATIENCE, () -> replay(changed));

            assertEquals(2, report.calls());
        }
    }

    @Test
    void traceWithAFilterIsRefused() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace =
                    guest.start(TraceFilter.of(HypercallTable.standard(), "event_channel_op"));

            assertRefused("a filter", TracedGuest.bytes(trace));
        }
    }

    @Test
    void traceOfARunningDomainIsRefused() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start(TraceBeginning.RUNNING);

            assertRefused("was running when the trace began", TracedGuest.bytes(trace));
        }
    }

    @Test
    void traceWithLostCallsIsRefusedAtTheGap() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            allocate(guest);
            allocate(guest);

            assertRefused(
                    "line 2: 3 records before it were lost",
                    ChangedTrace.lost(TracedGuest.bytes(trace), 1, 3));
        }
    }

    @Test
    void callWithoutAllItsMemoryIsRefused() throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start();
            // A batch of 500 grant copies.
            assertEquals(0, guest.call(20, 1, ARGUMENT, 500));

            assertRefused("line 1: not all memory", TracedGuest.bytes(trace));
        }
    }

    private static void assertRefused(String reason, byte[] trace) {
        String message =
                String.valueOf(
                        assertThrows(ReplayException.class, () -> replay(trace)).getMessage());
        assertTrue(message.contains(reason), message);
    }
}
