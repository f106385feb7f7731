package io.xenemu.core.trace;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainObserver;
import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.core.hypercall.HypercallObserver;
import io.xenemu.kvm.abi.DomId;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The places where hypercalls of a service's domains are traced: the dispatchers of all vCPUs. Thread-safe; its lock
/// is a leaf.
public final class TracePoints {
    /// The most traces at a time. Each may hold [HypercallTrace#MAX_BYTES].
    public static final int MAX_TRACES = 4;

    /// A running vCPU, with its observers.
    private static final class Place {
        final HypercallDispatcher dispatcher;
        @Nullable HypercallObserver recorder;
        @Nullable HypercallObserver tapped;

        Place(HypercallDispatcher dispatcher) {
            this.dispatcher = dispatcher;
        }

        void observe() {
            dispatcher.observe(ObserverPair.of(recorder, tapped));
        }
    }

    /// A domain with its vCPUs and observers, and its trace.
    private static final class Points {
        final Domain domain;
        final List<Place> places = new ArrayList<>();
        @Nullable HypercallTrace trace;
        @Nullable DomainObserver tapped;

        Points(Domain domain) {
            this.domain = domain;
        }

        void observe() {
            DomainObserver recorder = trace == null ? null : trace.events();
            domain.observe(DomainObserverPair.of(recorder, tapped));
        }
    }

    @GuardedBy("this")
    private final Map<DomId, Points> domains = new HashMap<>();

    @GuardedBy("this")
    private int traces;

    @GuardedBy("this")
    private @Nullable EventTap tap;

    /// Shows everything to `all` too from now on, or to nobody beside traces.
    ///
    /// @param all null for nobody
    public synchronized void tap(@Nullable EventTap all) {
        tap = all;
        domains.values().forEach(points -> tap(points, all));
    }

    private static void tap(Points points, @Nullable EventTap all) {
        points.tapped = all == null ? null : all.newEvents(points.domain);
        points.observe();
        for (Place place : points.places) {
            place.tapped = all == null ? null : all.newCalls(points.domain);
            place.observe();
        }
    }

    /// Adds a domain whose vCPUs are about to run.
    public synchronized void add(Domain domain) {
        Points points = new Points(domain);
        domains.put(domain.id(), points);
        if (tap != null) {
            points.tapped = tap.newEvents(domain);
            points.observe();
        }
    }

    /// Adds a vCPU's dispatcher, and records it if its domain is being traced.
    public synchronized void add(DomId domain, HypercallDispatcher dispatcher) {
        Points points = domains.get(domain);
        if (points == null) {
            return;
        }
        Place place = new Place(dispatcher);
        points.places.add(place);
        if (points.trace != null && points.trace.takesCalls()) {
            place.recorder = points.trace.newRecorder();
        }
        if (tap != null) {
            place.tapped = tap.newCalls(points.domain);
        }
        place.observe();
    }

    /// Forgets a domain, and ends its trace.
    public synchronized void remove(DomId domain) {
        Points points = domains.remove(domain);
        if (points == null) {
            return;
        }
        if (points.trace != null) {
            end(points, points.trace);
        }
        tap(points, null);
    }

    /// The reason why a domain cannot be traced now, for an operator; null if it can.
    public synchronized @Nullable String obstacle(Domain domain) {
        Points points = domains.get(domain.id());
        if (points == null) {
            return "it has ended";
        }
        if (points.trace != null) {
            return "it is being traced";
        }
        return traces == MAX_TRACES ? "there are " + MAX_TRACES + " traces at a time" : null;
    }

    /// Begins a trace.
    ///
    /// @param beginning of the domain, which is held if the trace begins with its state
    /// @return null if there is an [#obstacle]
    public synchronized @Nullable HypercallTrace start(
            Domain domain, TraceFilter filter, TraceBeginning beginning) {
        Points points = domains.get(domain.id());
        if (points == null || obstacle(domain) != null) {
            return null;
        }
        HypercallTrace trace =
                new HypercallTrace(
                        TraceHeader.of(domain, filter, beginning),
                        beginning,
                        filter,
                        one -> stop(domain.id(), one));
        points.trace = trace;
        traces++;
        points.observe();
        for (Place place : points.places) {
            place.recorder = trace.takesCalls() ? trace.newRecorder() : null;
            place.observe();
        }
        return trace;
    }

    private synchronized void stop(DomId domain, HypercallTrace trace) {
        Points points = domains.get(domain);
        if (points != null && points.trace == trace) {
            end(points, trace);
        }
    }

    @GuardedBy("this")
    private void end(Points points, HypercallTrace trace) {
        points.trace = null;
        points.observe();
        for (Place place : points.places) {
            place.recorder = null;
            place.observe();
        }
        traces--;
        trace.setEnded();
    }
}
