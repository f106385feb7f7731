package io.xenemu.core.jfr;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.xenemu.core.domain.DomainObserver;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.core.trace.HypercallTrace;
import io.xenemu.core.trace.TracedGuest;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.ExitReason;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Events of Java Flight Recorder.
@Timeout(60)
final class FlightRecorderTapTest {
    private static final int XEN_VERSION = 17;
    private static final int PAGESIZE = 7;

    @TempDir private Path folder = Path.of("");

    private List<RecordedEvent> events(Recording recording) throws IOException {
        recording.stop();
        Path file = folder.resolve("events.jfr");
        recording.dump(file);
        return RecordingFile.readAllEvents(file).stream()
                .filter(event -> event.getEventType().getName().startsWith("io.xenemu."))
                .toList();
    }

    private static void everyEvent(TracedGuest guest) {
        DomainObserver observer = Objects.requireNonNull(guest.guest().domain().observer());
        observer.exited(new VcpuId(1), ExitReason.IO, 0x3f8, 1, true);
        observer.upcall(new VcpuId(0), 0);
        observer.storeRequest("READ name", "ok");
        observer.grantBegun(9, 0, false);
        observer.grantEnded(9);
    }

    @Test
    void recordingThatNamesThemHasHypercalls() throws Exception {
        try (TracedGuest guest = new TracedGuest(true);
                FlightRecorderTap _ = new FlightRecorderTap(guest.points());
                Recording recording = new Recording()) {
            recording.enable("io.xenemu.Hypercall");
            guest.call(XEN_VERSION, PAGESIZE, 0, 0);
            recording.start();
            assertNull(guest.guest().domain().observer());
            guest.call(XEN_VERSION, PAGESIZE, 0, 0);
            List<RecordedEvent> events = events(recording);
            guest.call(XEN_VERSION, PAGESIZE, 0, 0);

            assertEquals(1, events.size());
            RecordedEvent call = events.getFirst();
            assertEquals("xen_version", call.getString("hypercall"));
            assertEquals("pagesize", call.getString("op"));
            assertEquals(4096, call.getLong("result"));
            assertEquals(1, call.getInt("domain"));
        }
    }

    @Test
    void recordingThatRunsAlreadyIsNoticedAndDomainsThatComeLaterToo() throws Exception {
        try (Recording recording = new Recording();
                TracedGuest guest = new TracedGuest(true)) {
            recording.enable("io.xenemu.Hypercall");
            recording.start();
            try (FlightRecorderTap _ = new FlightRecorderTap(guest.points())) {
                guest.call(XEN_VERSION, PAGESIZE, 0, 0);
                guest.points().remove(guest.guest().domain().id());
                HypercallDispatcher later = guest.guest().dispatcher();
                guest.points().add(guest.guest().domain());
                guest.points().add(guest.guest().domain().id(), later);
                HypercallContext call = guest.guest().caller(0, true);
                call.begin(XEN_VERSION, 0);
                call.setParameter(0, PAGESIZE);
                assertEquals(4096, later.dispatch(call));
            }
            guest.call(XEN_VERSION, PAGESIZE, 0, 0);

            assertEquals(2, events(recording).size());
        }
    }

    @Test
    void recordingHasOtherEventsByName() throws Exception {
        try (TracedGuest guest = new TracedGuest(true);
                FlightRecorderTap _ = new FlightRecorderTap(guest.points());
                Recording recording = new Recording()) {
            Set<String> names =
                    Set.of(
                            "io.xenemu.Exit",
                            "io.xenemu.Upcall",
                            "io.xenemu.XenStore",
                            "io.xenemu.Grant");
            names.forEach(recording::enable);
            recording.start();
            everyEvent(guest);
            guest.call(XEN_VERSION, PAGESIZE, 0, 0);
            List<RecordedEvent> events = events(recording);

            assertEquals(5, events.size());
            assertEquals(
                    names,
                    events.stream()
                            .map(event -> event.getEventType().getName())
                            .collect(Collectors.toSet()));
            assertNull(guest.guest().domain().observer());
        }
    }

    @Test
    void recordingAndTraceDoNotDisturbEachOther() throws Exception {
        try (TracedGuest guest = new TracedGuest(true);
                FlightRecorderTap _ = new FlightRecorderTap(guest.points());
                Recording recording = new Recording()) {
            recording.enable("io.xenemu.Hypercall");
            guest.call(XEN_VERSION, PAGESIZE, 0, 0);
            HypercallTrace trace = guest.start();
            guest.call(XEN_VERSION, PAGESIZE, 0, 0);
            recording.start();
            guest.call(XEN_VERSION, PAGESIZE, 0, 0);
            int calls = TracedGuest.calls(trace).size();
            guest.call(XEN_VERSION, PAGESIZE, 0, 0);

            assertEquals(2, calls);
            assertEquals(2, events(recording).size());
        }
    }

    @Test
    void recordingThatNamesNothingObservesNothing() throws Exception {
        try (TracedGuest guest = new TracedGuest(true);
                FlightRecorderTap _ = new FlightRecorderTap(guest.points());
                Recording recording = new Recording()) {
            recording.start();
            guest.call(XEN_VERSION, PAGESIZE, 0, 0);

            assertEquals(List.of(), events(recording));
            assertNull(guest.guest().domain().observer());
        }
    }
}
