package io.xenemu.core.service;

import io.xenemu.core.backend.engine.EngineSpec;
import io.xenemu.core.hypervisor.DomainIdPolicy;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.hypervisor.HostKvm;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.xenstore.quota.Quotas;
import java.util.List;

/// The hypervisor of a process, with its meters and engines.
final class ServiceHypervisor {
    private ServiceHypervisor() {}

    /// Opens it.
    ///
    /// @param open closes it
    /// @param metrics has its meters
    /// @param engines that an operator has defined, and the defaults
    /// @param domids the policy for the ids of its domains
    /// @throws HostException if a CPU of an engine is not available
    static Hypervisor open(
            Resources open,
            HostKvm kvm,
            ServiceMetrics metrics,
            Quotas quotas,
            List<EngineSpec> engines,
            DomainIdPolicy domids)
            throws HostException {
        Hypervisor hypervisor =
                open.add(
                        new Hypervisor(
                                kvm,
                                metrics.registry(),
                                quotas,
                                ServiceEngines.checked(engines),
                                domids),
                        Hypervisor::close);
        metrics.show(DomainCollector.rows(hypervisor.operated()));
        return hypervisor;
    }
}
