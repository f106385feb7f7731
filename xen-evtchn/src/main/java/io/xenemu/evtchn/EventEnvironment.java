package io.xenemu.evtchn;

/// What surrounds a domain's event channels.
///
/// @param domains finds other domains by id; asked for the domain itself too
/// @param kernel the ports that KVM serves by itself, empty at first
/// @param upcalls interrupts vCPUs
/// @param pages finds the guest pages of the FIFO ABI
/// @param ports pays for the domain's ports
public record EventEnvironment(
        Domains domains,
        KernelPorts kernel,
        UpcallSink upcalls,
        GuestPages pages,
        PortAccount ports) {}
