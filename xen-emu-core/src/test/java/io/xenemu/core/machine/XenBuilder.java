package io.xenemu.core.machine;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.domain.DomainEnvironment;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.memory.HostResources;
import io.xenemu.core.trace.TracePoints;
import io.xenemu.evtchn.PortAccount;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.kvm.ioctl.KvmSystem;

/// A [DomainBuilder] on a real KVM, for domains that know of no others.
final class XenBuilder {
    private XenBuilder() {}

    static DomainBuilder of(KvmSystem system, MeterRegistry registry) {
        return new DomainBuilder(
                system,
                system.xenCapabilities(),
                new DomainEnvironment(
                        registry,
                        _ -> null,
                        new ServicePorts(_ -> null, registry),
                        _ -> null,
                        HostResources.ofThisHost(),
                        PortAccount.ofThisHeap()),
                HypercallTable.standard(),
                new TracePoints());
    }
}
