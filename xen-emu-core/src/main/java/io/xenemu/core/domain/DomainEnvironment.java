package io.xenemu.core.domain;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.memory.HostResources;
import io.xenemu.evtchn.PeerChannels;
import io.xenemu.evtchn.PortAccount;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.gnttab.Granters;

/// Objects that a domain shares with the other domains of its service.
///
/// @param registry holds its meters
/// @param domains finds other domains' event channels
/// @param servicePorts domain 0's ends of event channels
/// @param grants finds other domains' grant tables
/// @param resources the host's resources
/// @param ports the account of all domains' event channel ports
public record DomainEnvironment(
        MeterRegistry registry,
        PeerChannels domains,
        ServicePorts servicePorts,
        Granters grants,
        HostResources resources,
        PortAccount ports) {}
