package io.xenemu.core.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.xenemu.core.domain.DomainObserver;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.ExitReason;
import java.io.ByteArrayInputStream;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Events beside hypercalls.
final class TracedEventsTest {
    private static final int TIME = 14;

    private static List<String> lines(byte[] trace) throws Exception {
        TraceText text = new TraceText(new CallDecoder(HypercallTable.standard()));
        TraceReader reader = new TraceReader(new ByteArrayInputStream(trace));
        List<String> lines = new ArrayList<>();
        for (TracedRecord record = reader.next(); record != null; record = reader.next()) {
            lines.add(text.line(record).substring(TIME));
        }
        return lines;
    }

    private static void everyEvent(TracedGuest guest) {
        DomainObserver observer = guest.guest().domain().observer();
        assertNotNull(observer);
        observer.exited(new VcpuId(1), ExitReason.IO, 0x3f8, 1, true);
        observer.exited(new VcpuId(0), ExitReason.INTR, 0, 0, false);
        guest.guest().domain().delivery().upcall(new VcpuId(0));
        observer.storeRequest("READ device\n\u001b[31m", "ENOENT");
        observer.grantBegun(9, 3, false);
        observer.grantEnded(9);
        observer.memoryChanged(4096, true);
    }

    private static List<String> traced(String filter) throws Exception {
        try (TracedGuest guest = new TracedGuest(true)) {
            HypercallTrace trace = guest.start(TraceFilter.of(HypercallTable.standard(), filter));
            everyEvent(guest);
            guest.call(17, 7, 0, 0);
            List<String> lines = lines(TracedGuest.bytes(trace));
            assertNull(guest.guest().domain().observer());
            return lines;
        }
    }

    @Test
    void eventsAreRecordedByTheirKind() throws Exception {
        assertEquals(
                List.of(
                        "v1 exits: IO write 0x3f8, 1 bytes",
                        "v0 exits: INTR",
                        "v0 upcalls: callback",
                        "-- xenstore: READ device??[31m = ENOENT",
                        "-- grants: ref 9 mapped by domain 3",
                        "-- grants: ref 9 ended",
                        "-- changes: memory target 4096 bytes"),
                traced("exits,upcalls,xenstore,grants"));
    }

    @Test
    void callsAreRecordedWithoutEventsButChanges() throws Exception {
        assertEquals(
                List.of("-- changes: memory target 4096 bytes", "v0 xen_version(pagesize) = 4096"),
                traced("hypercalls"));
    }

    @Test
    void callsAndEventsAreInOneOrder() throws Exception {
        assertEquals(
                List.of(
                        "v0 upcalls: callback",
                        "-- changes: memory target 4096 bytes",
                        "v0 xen_version(pagesize) = 4096"),
                traced("upcalls,xen_version/pagesize"));
    }
}
