package io.xenemu.core.domain;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.evtchn.Domains;
import io.xenemu.evtchn.PortAccount;
import io.xenemu.evtchn.ServicePorts;

/// What a domain shares with the others of its service.
///
/// @param registry where its meters live
/// @param hypercalls what its vCPUs may call
/// @param domains finds the event channels of the others
/// @param servicePorts domain 0's ends of event channels
/// @param grants finds the grant tables of the others
/// @param resources what they take from the host
/// @param ports how many ports of event channels they have
public record DomainEnvironment(
        MeterRegistry registry,
        HypercallTable hypercalls,
        Domains domains,
        ServicePorts servicePorts,
        io.xenemu.gnttab.Domains grants,
        HostResources resources,
        PortAccount ports) {}
