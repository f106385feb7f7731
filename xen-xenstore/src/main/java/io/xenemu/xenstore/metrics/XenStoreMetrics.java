package io.xenemu.xenstore.metrics;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.wire.MessageType;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/// The meters of the store.
///
/// | meter | tags | what |
/// |---|---|---|
/// | `xen.xenstore.requests` | domain, type, result | requests answered; result is `ok` or the error's name |
/// | `xen.xenstore.latency` | domain | seconds from decoding a request to its queued reply |
/// | `xen.xenstore.events` | domain, result | watch events `queued` for a domain, or `dropped` because it does not read |
/// | `xen.xenstore.watches`, `.transactions`, `.nodes`, `.connections` | | their current number |
/// | `xen.xenstore.socket.memory` | | bytes held for socket clients that do not read |
/// | `xen.xenstore.socket.disconnected` | | socket clients disconnected because all together held too much |
/// | `xen.xenstore.domain.memory` | domain | bytes that count for its memory quota |
/// | `xen.xenstore.denied` | domain, quota | denials by a quota, or warnings of a soft quota |
/// | `xen.xenstore.domain.watches`, `.domain.transactions`, `.domain.nodes` | domain | the same for one domain |
///
/// A domain's meters are registered when it is introduced and removed when it is released; host tools count as domain
/// 0.
public final class XenStoreMetrics {
    private final MeterRegistry registry;
    private final List<Meter> totals = new ArrayList<>();
    // The registry holds the objects of its function counters weakly, and has no option against
    // it. So the counter asks this object, which the server holds.
    private LongSupplier disconnected = () -> 0;

    /// Meters in `registry`.
    public XenStoreMetrics(MeterRegistry registry) {
        this.registry = registry;
    }

    /// Registers the meters of the whole store.
    ///
    /// @param socketMemory bytes held for socket clients
    /// @param socketClientsDisconnected the number of socket clients disconnected at the memory's limit
    public void registerTotals(
            IntSupplier watches,
            IntSupplier transactions,
            IntSupplier nodes,
            IntSupplier connections,
            LongSupplier socketMemory,
            LongSupplier socketClientsDisconnected) {
        disconnected = socketClientsDisconnected;
        total("xen.xenstore.watches", "Registered watches", watches);
        total("xen.xenstore.transactions", "Open transactions", transactions);
        total("xen.xenstore.nodes", "Nodes in the store", nodes);
        total("xen.xenstore.connections", "Connected clients", connections);
        totals.add(
                Gauge.builder("xen.xenstore.socket.memory", socketMemory, LongSupplier::getAsLong)
                        .description("Memory held for socket clients that do not read")
                        .baseUnit("bytes")
                        .strongReference(true)
                        .register(registry));
        totals.add(
                FunctionCounter.builder(
                                "xen.xenstore.socket.disconnected",
                                this,
                                metrics -> metrics.disconnected.getAsLong())
                        .description(
                                "Socket clients disconnected because all together held too much")
                        .register(registry));
    }

    private void total(String name, String description, IntSupplier value) {
        totals.add(gauge(name, description, Tags.empty(), value));
    }

    /// Removes the meters of the whole store.
    public void removeTotals() {
        totals.forEach(registry::remove);
        totals.clear();
    }

    // The registry holds its gauges' objects weakly unless told otherwise, and there is no other
    // reference.
    private Meter gauge(String name, String description, Tags tags, IntSupplier value) {
        return Gauge.builder(name, value, IntSupplier::getAsInt)
                .description(description)
                .tags(tags)
                .strongReference(true)
                .register(registry);
    }

    /// Registers the meters of a domain, except its gauges and quotas.
    public DomainMeters register(DomId domain) {
        return new DomainMeters(domain);
    }

    /// The meters of one domain, each looked up at most once.
    public final class DomainMeters implements RequestMetrics {
        private static final String REQUESTS = "xen.xenstore.requests";

        private final Tags tags;
        private final List<Meter> registered = new ArrayList<>();
        private final Timer latency;
        private final Counter queued;
        private final Counter dropped;
        private final Counter unknown;
        // The registry holds the objects of its function counters weakly, and has no option
        // against it. So the counters ask this object, which the domain's connection holds.
        private ToLongFunction<Quota> denied = _ -> 0;
        private final Map<MessageType, Counter> succeeded = new EnumMap<>(MessageType.class);
        private final Map<MessageType, Map<XenError, Counter>> failed =
                new EnumMap<>(MessageType.class);

        private DomainMeters(DomId domain) {
            tags = Tags.of("domain", Integer.toString(domain.value()));
            latency =
                    add(
                            Timer.builder("xen.xenstore.latency")
                                    .description("Time from decoding a request to its queued reply")
                                    .tags(tags)
                                    .register(registry));
            queued = events("queued");
            dropped = events("dropped");
            unknown = requests("UNKNOWN", "ENOSYS");
            for (MessageType type : MessageType.values()) {
                succeeded.put(type, requests(type.name(), "ok"));
                failed.put(type, new HashMap<>());
            }
        }

        private <M extends Meter> M add(M meter) {
            registered.add(meter);
            return meter;
        }

        private Counter requests(String type, String result) {
            return add(
                    Counter.builder(REQUESTS)
                            .description("Requests answered")
                            .tags(tags.and("type", type, "result", result))
                            .register(registry));
        }

        private Counter events(String result) {
            return add(
                    Counter.builder("xen.xenstore.events")
                            .description("Watch events for a domain")
                            .tags(tags.and("result", result))
                            .register(registry));
        }

        /// Registers the current numbers of a domain.
        public void registerGauges(
                IntSupplier watches, IntSupplier transactions, IntSupplier nodes) {
            add(gauge("xen.xenstore.domain.watches", "Watches of a domain", tags, watches));
            add(
                    gauge(
                            "xen.xenstore.domain.transactions",
                            "Open transactions of a domain",
                            tags,
                            transactions));
            add(gauge("xen.xenstore.domain.nodes", "Nodes that a domain owns", tags, nodes));
        }

        /// Registers what counts for the domain's quotas.
        ///
        /// @param memory the bytes that count for the domain's memory quota
        /// @param denied the number of denials by a quota
        public void registerQuotas(LongSupplier memory, ToLongFunction<Quota> denied) {
            this.denied = denied;
            add(
                    Gauge.builder("xen.xenstore.domain.memory", memory, LongSupplier::getAsLong)
                            .description("Memory that the store holds for a domain")
                            .baseUnit("bytes")
                            .tags(tags)
                            .strongReference(true)
                            .register(registry));
            for (Quota quota : Quota.all()) {
                add(
                        FunctionCounter.builder(
                                        "xen.xenstore.denied",
                                        this,
                                        meters -> meters.denied.applyAsLong(quota))
                                .description("Denials by a quota, or warnings of a soft quota")
                                .tags(tags.and("quota", quota.text()))
                                .register(registry));
            }
        }

        @Override
        public void handled(@Nullable MessageType type, @Nullable XenError error, long nanos) {
            counter(type, error).increment();
            latency.record(nanos, TimeUnit.NANOSECONDS);
        }

        private Counter counter(@Nullable MessageType type, @Nullable XenError error) {
            if (type == null) {
                return unknown;
            }
            Counter success = succeeded.get(type);
            if (error == null && success != null) {
                return success;
            }
            Map<XenError, Counter> failures = failed.get(type);
            if (error == null || failures == null) {
                throw new IllegalStateException("every type has its counters: " + type);
            }
            return failures.computeIfAbsent(error, e -> requests(type.name(), e.symbol()));
        }

        @Override
        public void event(boolean wasDropped) {
            (wasDropped ? dropped : queued).increment();
        }

        /// Removes all meters of the domain.
        public void remove() {
            registered.forEach(registry::remove);
        }
    }
}
