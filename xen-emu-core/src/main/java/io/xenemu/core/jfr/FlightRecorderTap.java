package io.xenemu.core.jfr;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainObserver;
import io.xenemu.core.hypercall.HypercallObserver;
import io.xenemu.core.trace.EventTap;
import io.xenemu.core.trace.TracePoints;
import java.util.List;
import jdk.jfr.EventType;
import jdk.jfr.FlightRecorder;
import jdk.jfr.FlightRecorderListener;
import jdk.jfr.Recording;
import org.jspecify.annotations.Nullable;

/// Gives Java Flight Recorder the domains' hypercalls and other events while a recording wants them. Otherwise nothing
/// observes the domains, so they pay nothing. A recording that changes its settings while it runs is not noticed.
public final class FlightRecorderTap implements FlightRecorderListener, EventTap, AutoCloseable {
    /// The kinds of events beside hypercalls.
    private static final List<Class<? extends XenEvent>> OTHERS =
            List.of(
                    ExitEvent.class,
                    UpcallEvent.class,
                    StoreRequestEvent.class,
                    GrantUseEvent.class);

    private final TracePoints points;

    /// Follows the recordings of this process from now on.
    ///
    /// @param points where the domains are observed
    @SuppressWarnings("this-escape") // complete by then
    public FlightRecorderTap(TracePoints points) {
        this.points = points;
        FlightRecorder.addListener(this);
        if (FlightRecorder.isInitialized()) {
            follow();
        }
    }

    @Override
    public void recordingStateChanged(Recording recording) {
        follow();
    }

    private void follow() {
        points.tap(wantsCalls() || wantsOthers() ? this : null);
    }

    private static boolean isOn(Class<? extends XenEvent> kind) {
        return EventType.getEventType(kind).isEnabled();
    }

    private static boolean wantsCalls() {
        return isOn(HypercallEvent.class);
    }

    private static boolean wantsOthers() {
        return OTHERS.stream().anyMatch(FlightRecorderTap::isOn);
    }

    @Override
    public @Nullable HypercallObserver newCalls(Domain domain) {
        return wantsCalls() ? new RecordedCalls(domain.id().value()) : null;
    }

    @Override
    public @Nullable DomainObserver newEvents(Domain domain) {
        return wantsOthers() ? new RecordedEvents(domain.id().value()) : null;
    }

    @Override
    public void close() {
        boolean _ = FlightRecorder.removeListener(this);
        points.tap(null);
    }
}
