package io.xenemu.evtchn;

import java.util.function.Consumer;

/// What surrounds a domain's event channels.
///
/// @param domains finds other domains by id; asked for the domain itself too
/// @param kernel the ports that KVM serves by itself, empty at first
/// @param upcalls interrupts vCPUs
/// @param pages finds the guest pages of the FIFO ABI
/// @param ports pays for the domain's ports
/// @param failed ends this domain: told what its kernel, its vCPUs or its memory have thrown. That may be on another
///     domain's thread, which goes on as if the effect had taken place, and with locks held: it must not wait, throw, or call
///     back into [EventChannels]
public record EventEnvironment(
        Domains domains,
        KernelPorts kernel,
        UpcallSink upcalls,
        GuestPages pages,
        PortAccount ports,
        Consumer<Throwable> failed) {}
