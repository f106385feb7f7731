package io.xenemu.core.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.trace.CallDecoder;
import io.xenemu.core.trace.TraceFilter;
import io.xenemu.core.trace.TracePoints;
import io.xenemu.core.trace.TraceReader;
import io.xenemu.core.trace.TracedRecord;
import java.io.InputStream;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Readers of traces.
@Timeout(60)
final class TraceSessionTest {
    private static final int XEN_VERSION = 17;
    private static final int PAGESIZE = 7;
    private static final long PAUSE_MILLIS = 5;

    @TempDir private Path folder = Path.of("");

    private final TracePoints points = new TracePoints();

    @Test
    void readerGetsCallsUntilTheDomainEnds() throws Exception {
        try (TestDomain guest = new TestDomain(1);
                ControlSocket _ = open(guest);
                InputStream stream = ControlClient.trace(path(), "test", null)) {
            TraceReader reader = new TraceReader(stream);
            assertEquals("test", reader.header().config().name());
            call(guest);

            TracedRecord call = reader.next();
            assertNotNull(call);
            String line = new TraceJson(new CallDecoder(HypercallTable.standard())).line(call);
            assertEquals(
                    "\"vcpu\": 0, \"hypercall\": \"xen_version\", \"op\": \"pagesize\", \"number\": \"0x11\", \"arguments\": {}, \"result\": 4096, \"lost\": 0}",
                    line.substring(line.indexOf("\"vcpu\"")));

            points.remove(TestDomain.ID);
            assertNull(reader.next());
            TraceReader.End end = reader.end();
            assertNotNull(end);
            assertEquals(0, end.lost());
        }
    }

    @Test
    void traceOfAPausedDomainBeginsWithItsState() throws Exception {
        try (TestDomain guest = new TestDomain(1);
                ControlSocket _ = open(guest)) {
            guest.domain().pause();
            try (InputStream stream = ControlClient.trace(path(), "test", null)) {
                assertTrue(new TraceReader(stream).state().length > 0);
            }
            assertTrue(guest.domain().unpause());
            assertFalse(guest.domain().unpause());
            while (points.obstacle(guest.domain()) != null) {
                Thread.sleep(PAUSE_MILLIS);
            }
            try (InputStream stream = ControlClient.trace(path(), "test", null)) {
                TraceReader reader = new TraceReader(stream);
                assertEquals(0, reader.state().length);
                assertEquals(
                        "the domain was running when the trace began;"
                                + " begin with 'pause' or 'create -p'",
                        reader.header().replay().obstacle());
            }
        }
    }

    @Test
    void traceEndsWithItsReader() throws Exception {
        try (TestDomain guest = new TestDomain(1);
                ControlSocket _ = open(guest)) {
            try (InputStream stream = ControlClient.trace(path(), "test", null)) {
                TraceReader _ = new TraceReader(stream);
                assertEquals("it is being traced", points.obstacle(guest.domain()));
            }
            while (points.obstacle(guest.domain()) != null) {
                Thread.sleep(PAUSE_MILLIS);
            }
        }
    }

    private Path path() {
        return folder.resolve("control");
    }

    private HypercallDispatcher dispatcher(TestDomain guest) {
        HypercallDispatcher dispatcher = guest.dispatcher();
        points.add(TestDomain.ID, dispatcher);
        return dispatcher;
    }

    private void call(TestDomain guest) {
        HypercallContext call = guest.caller(0, true);
        call.begin(XEN_VERSION, 0);
        call.setParameter(0, PAGESIZE);
        assertEquals(4096, dispatcher(guest).dispatch(call));
    }

    private ControlSocket open(TestDomain guest) throws Exception {
        points.add(guest.domain());
        TraceFilter filter = TraceFilter.all(HypercallTable.standard());
        return ControlSocket.open(
                path(),
                null,
                new TestCommands(_ ->
                        ControlReply.session(new TraceSession(points, guest.domain(), filter))));
    }
}
