package io.xenemu.evtchn;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.xenemu.kvm.abi.DomId;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// The meters of one domain's event channels. All are registered in advance, so that counting looks nothing up and
/// allocates nothing. Operations are counted where hypercalls are dispatched.
///
/// | meter | tags | counts |
/// |---|---|---|
/// | `xen.evtchn.ports` | domain, type | bound ports |
/// | `xen.evtchn.raised` | domain, type | events raised in user space for this domain |
/// | `xen.evtchn.upcalls` | domain | upcalls requested by user space |
public final class EventChannelMetrics implements AutoCloseable {
    private final MeterRegistry registry;
    private final Tags domain;
    private final List<Meter> meters = new ArrayList<>();
    private final Map<ChannelType, AtomicInteger> ports = new EnumMap<>(ChannelType.class);
    private final Map<ChannelType, Counter> raised = new EnumMap<>(ChannelType.class);
    private final Counter upcalls;

    /// Registers the domain's meters.
    ///
    /// @param registry where the meters live until [#close]
    /// @param domId the value of the tag `domain`
    public EventChannelMetrics(MeterRegistry registry, DomId domId) {
        this.registry = registry;
        this.domain = Tags.of("domain", Integer.toString(domId.value()));
        for (ChannelType type : ChannelType.values()) {
            AtomicInteger count = new AtomicInteger();
            ports.put(type, count);
            if (type != ChannelType.CLOSED) {
                remember(portGauge(type, count));
                raised.put(type, raisedCounter(type));
            }
        }
        upcalls =
                remember(
                        Counter.builder("xen.evtchn.upcalls")
                                .description("Upcalls requested by user space")
                                .baseUnit("upcalls")
                                .tags(domain)
                                .register(registry));
    }

    void raised(ChannelType type) {
        Counter counter = raised.get(type);
        if (counter != null) {
            counter.increment();
        }
    }

    void upcall() {
        upcalls.increment();
    }

    void retyped(ChannelType from, ChannelType to) {
        present(ports.get(from)).decrementAndGet();
        present(ports.get(to)).incrementAndGet();
    }

    /// Removes the meters from the registry.
    @Override
    public synchronized void close() {
        meters.forEach(registry::remove);
        meters.clear();
    }

    private static <T> T present(@Nullable T entry) {
        // The maps have an entry for every constant.
        return Objects.requireNonNull(entry);
    }

    private Gauge portGauge(ChannelType type, AtomicInteger count) {
        return Gauge.builder("xen.evtchn.ports", count, AtomicInteger::get)
                .description("Bound event channel ports")
                .baseUnit("ports")
                .tags(domain.and("type", type.tag()))
                .register(registry);
    }

    private Counter raisedCounter(ChannelType type) {
        return remember(
                Counter.builder("xen.evtchn.raised")
                        .description("Events raised in user space for the domain")
                        .baseUnit("events")
                        .tags(domain.and("type", type.tag()))
                        .register(registry));
    }

    private synchronized <M extends Meter> M remember(M meter) {
        meters.add(meter);
        return meter;
    }
}
