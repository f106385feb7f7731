package io.xenemu.core.service;

import io.xenemu.core.backend.engine.EngineSpec;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.kvm.thread.CpuAffinity;
import java.util.BitSet;
import java.util.List;

/// The engines that an operator has defined, on this host.
final class ServiceEngines {
    private ServiceEngines() {}

    /// The same engines, whose CPUs this process may use.
    ///
    /// @throws HostException if it may not use one
    static List<EngineSpec> checked(List<EngineSpec> engines) throws HostException {
        for (EngineSpec engine : engines) {
            // Engines without CPUs need no call.
            BitSet allowed = engine.cpus().isAll() ? new BitSet() : CpuAffinity.current();
            for (int cpu : engine.cpus().numbers()) {
                if (!allowed.get(cpu)) {
                    throw new HostException(
                            "--engine %s,cpus=%s: the service may not run on CPU %d"
                                    .formatted(engine.id(), engine.cpus(), cpu));
                }
            }
        }
        return engines;
    }
}
