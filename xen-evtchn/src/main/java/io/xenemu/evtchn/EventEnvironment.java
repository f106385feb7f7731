package io.xenemu.evtchn;

import java.util.function.Consumer;

/// The surroundings of a domain's event channels.
///
/// @param domains finds domains by id; also called for the domain itself
/// @param kernel the ports that KVM serves by itself; empty at first
/// @param upcalls interrupts vCPUs
/// @param pages finds the guest pages of the FIFO ABI
/// @param ports the account that the domain's ports are charged to
/// @param failed ends this domain; receives what its kernel ports, vCPUs or memory threw. It may be called on another
///     domain's thread, which goes on as if the effect had taken place, and with locks held: it must not wait, throw,
///     or call back into [EventChannels]
public record EventEnvironment(
        PeerChannels domains,
        KernelPorts kernel,
        UpcallSink upcalls,
        GuestPages pages,
        PortAccount ports,
        Consumer<Throwable> failed) {}
