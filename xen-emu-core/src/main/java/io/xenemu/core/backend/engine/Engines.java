package io.xenemu.core.backend.engine;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.host.Teardown;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// The engines of a service, and the maps of its domains. The engines are the same as long as the service runs.
///
/// Locks: as [DomainEngines] says. Finding takes none.
public final class Engines implements AutoCloseable {
    private final List<Engine> all;
    private final Map<DomId, DomainEngines> domains = new ConcurrentHashMap<>();

    /// @param specs of the engines, each name once
    public Engines(List<EngineSpec> specs, MeterRegistry registry) {
        all = specs.stream().map(Engine::new).sorted((a, b) -> a.id().compareTo(b.id())).toList();
        all.forEach(engine -> EngineMetrics.register(registry, engine));
    }

    /// All of them, by class and instance.
    public List<Engine> all() {
        return all;
    }

    /// Those of a class, in order.
    public List<Engine> of(EngineClass type) {
        return all.stream().filter(engine -> engine.id().type() == type).toList();
    }

    /// The engine of a name, or null.
    public @Nullable Engine find(EngineId id) {
        for (Engine engine : all) {
            if (engine.id().equals(id)) {
                return engine;
            }
        }
        return null;
    }

    /// An engine that a map names and the service does not have, if there is one.
    public Optional<EngineId> missing(EngineMap map) {
        return map.engines().stream().filter(id -> find(id) == null).findFirst();
    }

    /// Gives a new domain its engines. The caller ends them with the domain.
    ///
    /// @throws XenError ENOENT: the map names an engine that the service does not have
    /// @throws IllegalStateException if the domain has them already
    public DomainEngines open(DomId domain, EngineMap map) throws XenError {
        DomainEngines made = new DomainEngines(this, domain, map, () -> domains.remove(domain));
        if (domains.putIfAbsent(domain, made) != null) {
            throw new IllegalStateException(domain + " has its engines already");
        }
        return made;
    }

    /// The engines of a domain; null if it has ended, or is not made yet.
    public @Nullable DomainEngines find(DomId domain) {
        return domains.get(domain);
    }

    /// Ends the engines. No domain has queues any more.
    @Override
    public void close() {
        Teardown steps = new Teardown();
        all.forEach(engine -> steps.add(engine::close));
        steps.close();
    }
}
