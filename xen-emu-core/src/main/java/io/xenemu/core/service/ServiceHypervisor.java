package io.xenemu.core.service;

import com.google.common.net.HostAndPort;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.engine.EngineSpec;
import io.xenemu.core.hypervisor.DomainIdPolicy;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.hypervisor.HostKvm;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.xenstore.quota.Quotas;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The hypervisor of a process, with its meters and engines.
final class ServiceHypervisor {
    private ServiceHypervisor() {}

    /// Opens it.
    ///
    /// @param open closes it, and its meters
    /// @param metrics the address that shows its meters, if one does
    /// @param engines that an operator has defined, and the defaults
    /// @param domids the policy for the ids of its domains
    /// @throws HostException if the address or a CPU of an engine is not available
    static Hypervisor open(
            Resources open,
            HostKvm kvm,
            @Nullable HostAndPort metrics,
            Quotas quotas,
            List<EngineSpec> engines,
            DomainIdPolicy domids)
            throws HostException {
        MeterRegistry registry =
                open.add(ServiceMetrics.open(metrics), ServiceMetrics::close).registry();
        return open.add(
                new Hypervisor(kvm, registry, quotas, ServiceEngines.checked(engines), domids),
                Hypervisor::close);
    }
}
