package io.xenemu.core.trace;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypercall.HypercallDispatcher;
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

    /// The running vCPUs of one domain, and its trace.
    private static final class Points {
        final List<HypercallDispatcher> dispatchers = new ArrayList<>();
        @Nullable HypercallTrace trace;

        /// The domain, while it is traced.
        @Nullable Domain traced;
    }

    @GuardedBy("this")
    private final Map<DomId, Points> domains = new HashMap<>();

    @GuardedBy("this")
    private int traces;

    /// Adds a domain whose vCPUs are about to run.
    public synchronized void add(DomId domain) {
        domains.put(domain, new Points());
    }

    /// Adds a vCPU's dispatcher, and records it if its domain is being traced.
    public synchronized void add(DomId domain, HypercallDispatcher dispatcher) {
        Points points = domains.get(domain);
        if (points == null) {
            return;
        }
        points.dispatchers.add(dispatcher);
        if (points.trace != null && points.trace.takesCalls()) {
            dispatcher.observe(points.trace.newRecorder());
        }
    }

    /// Forgets a domain, and ends its trace.
    public synchronized void remove(DomId domain) {
        Points points = domains.remove(domain);
        if (points != null && points.trace != null) {
            end(points, points.trace);
        }
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
        points.traced = domain;
        domain.observe(trace.events());
        traces++;
        if (trace.takesCalls()) {
            for (HypercallDispatcher dispatcher : points.dispatchers) {
                dispatcher.observe(trace.newRecorder());
            }
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
        points.dispatchers.forEach(dispatcher -> dispatcher.observe(null));
        if (points.traced != null) {
            points.traced.observe(null);
            points.traced = null;
        }
        points.trace = null;
        traces--;
        trace.setEnded();
    }
}
