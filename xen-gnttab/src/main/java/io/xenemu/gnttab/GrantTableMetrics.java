package io.xenemu.gnttab;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// The meters of one domain's grant table. All are registered in advance, except failure counters, which are
/// registered at the first failure of their kind.
///
/// | meter | tags | counts |
/// |---|---|---|
/// | `xen.gnttab.frames` | domain | pages of the grant table |
/// | `xen.gnttab.mappings` | domain | grants of this domain that are mapped, once for each mapping |
/// | `xen.gnttab.maptrack` | domain | mappings by this domain of other domains' grants |
/// | `xen.gnttab.copied` | domain | bytes copied by `GNTTABOP_copy` |
/// | `xen.gnttab.ops` | domain, op, result | operations; `result` is OK, a GNTST code or an errno |
public final class GrantTableMetrics implements AutoCloseable {
    private final MeterRegistry registry;
    private final Tags domain;
    private final List<Meter> meters = new ArrayList<>();
    private final Map<GrantOp, Counter> succeeded = new EnumMap<>(GrantOp.class);

    /// At most one entry for each operation and status or errno.
    private final Map<GrantOp, Map<Object, Counter>> failed = new EnumMap<>(GrantOp.class);

    private final AtomicInteger frames = new AtomicInteger();
    private final AtomicInteger mappings = new AtomicInteger();
    private final AtomicInteger maptrack = new AtomicInteger();
    private final Counter copied;

    /// Registers the domain's meters.
    ///
    /// @param registry holds the meters until [#close]
    /// @param domId the value of the tag `domain`
    public GrantTableMetrics(MeterRegistry registry, DomId domId) {
        this.registry = registry;
        this.domain = Tags.of("domain", Integer.toString(domId.value()));
        for (GrantOp op : GrantOp.values()) {
            succeeded.put(op, counter(op, "OK"));
            failed.put(op, new ConcurrentHashMap<>());
        }
        gauge("xen.gnttab.frames", frames, "Pages of the grant table", "pages");
        gauge("xen.gnttab.mappings", mappings, "Mappings of granted pages", "mappings");
        gauge("xen.gnttab.maptrack", maptrack, "Mappings of other domains' pages", "mappings");
        copied =
                remember(
                        Counter.builder("xen.gnttab.copied")
                                .description("Bytes copied between granted pages")
                                .baseUnit("bytes")
                                .tags(domain)
                                .register(registry));
    }

    void succeeded(GrantOp op) {
        present(succeeded.get(op)).increment();
    }

    void succeeded(GrantOp op, int count) {
        present(succeeded.get(op)).increment(count);
    }

    /// Counts the outcome of an operation and returns it.
    GrantStatus finished(GrantOp op, GrantStatus status) {
        if (status == GrantStatus.OKAY) {
            succeeded(op);
        } else {
            failure(op, status, status.name());
        }
        return status;
    }

    /// Counts a failure and returns it, for the caller to throw.
    XenError failed(GrantOp op, XenError error) {
        failure(op, error, error.symbol());
        return error;
    }

    void mapped(int change) {
        mappings.addAndGet(change);
    }

    void tracked(int change) {
        maptrack.addAndGet(change);
    }

    void copied(int bytes) {
        copied.increment(bytes);
    }

    void frames(int count) {
        frames.set(count);
    }

    /// Removes the meters from the registry.
    @Override
    public synchronized void close() {
        meters.forEach(registry::remove);
        meters.clear();
    }

    private void failure(GrantOp op, Object key, String name) {
        Map<Object, Counter> byKey = present(failed.get(op));
        Counter counter = byKey.get(key);
        if (counter == null) {
            counter = counter(op, name);
            byKey.put(key, counter);
        }
        counter.increment();
    }

    private static <T> T present(@Nullable T entry) {
        // The maps have an entry for every operation.
        return Objects.requireNonNull(entry);
    }

    private void gauge(String name, AtomicInteger value, String description, String unit) {
        remember(
                Gauge.builder(name, value, AtomicInteger::get)
                        .description(description)
                        .baseUnit(unit)
                        .tags(domain)
                        .register(registry));
    }

    private Counter counter(GrantOp op, String result) {
        return remember(
                Counter.builder("xen.gnttab.ops")
                        .description("Grant table operations")
                        .baseUnit("operations")
                        .tags(domain.and("op", op.tag(), "result", result))
                        .register(registry));
    }

    private synchronized <M extends Meter> M remember(M meter) {
        meters.add(meter);
        return meter;
    }
}
