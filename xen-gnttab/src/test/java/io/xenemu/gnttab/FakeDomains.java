package io.xenemu.gnttab;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The domains of a service: the service itself, and those that a test adds.
final class FakeDomains implements AutoCloseable {
    final MeterRegistry registry = new SimpleMeterRegistry();
    final Arena arena = Arena.ofShared();
    private final Map<DomId, GrantTable> tables = new HashMap<>();
    private final ServiceGrants service = new ServiceGrants(this::find, registry);

    FakeDomains() {
        tables.put(DomId.DOM0, service.table());
    }

    @Nullable GrantTable find(DomId id) {
        return tables.get(id);
    }

    FakeDomain add(int id) {
        return add(id, GrantLimits.defaults());
    }

    FakeDomain add(int id, GrantLimits limits) {
        FakeDomain domain = new FakeDomain(this, new DomId(id), limits);
        tables.put(domain.id, domain.table);
        return domain;
    }

    void put(DomId id, GrantTable table) {
        tables.put(id, table);
    }

    /// As a domain ends: nobody finds it any more, then its address space goes, then its mappings.
    void kill(FakeDomain domain) {
        tables.remove(domain.id);
        domain.placed.clear();
        domain.table.destroy(() -> domain.released = true);
    }

    double count(int domain, String op, String result) {
        var counter =
                registry.find("xen.gnttab.ops")
                        .tags("domain", Integer.toString(domain), "op", op, "result", result)
                        .counter();
        return counter == null ? 0 : counter.count();
    }

    @Override
    public void close() {
        service.close();
        arena.close();
    }
}
