package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// One entry of a domain's port table, Xen's `struct evtchn`.
///
/// Whoever changes a field holds the binding lock of its domain **and** this object's monitor; whoever reads holds either.
/// So a send needs only the monitor of the port it sends on. Both ends of an interdomain channel are changed with both
/// monitors held, taken in the order of domain and port: holding one end keeps the other.
final class Channel {
    final Bindings owner;
    final EvtchnPort port;

    ChannelType type = ChannelType.CLOSED;

    /// For [ChannelType#UNBOUND]: who may bind.
    DomId remoteDom = DomId.DOM0;

    /// For [ChannelType#INTERDOMAIN]: the other end.
    @Nullable Channel remote;

    /// For [ChannelType#VIRQ].
    @Nullable Virq virq;

    /// For the service's own ports: told of events in place of a bit in shared_info.
    @Nullable ServiceListener listener;

    /// Whether [KernelPorts] has an entry for this port.
    boolean inKernel;

    /// Index of the vCPU that is notified. Also read by whoever sends from the other end, without a lock of this one.
    volatile int vcpu;

    Channel(Bindings owner, int port) {
        this.owner = owner;
        this.port = EvtchnPort.of(port);
    }

    /// The other end of an interdomain channel.
    Channel remote() {
        return Objects.requireNonNull(remote);
    }

    /// The virtual interrupt of a VIRQ channel.
    Virq virq() {
        return Objects.requireNonNull(virq);
    }

    /// Whether this end's monitor is taken before the other's.
    boolean before(Channel other) {
        int byDomain = Integer.compare(owner.domId.value(), other.owner.domId.value());
        return byDomain < 0 || (byDomain == 0 && port.value() < other.port.value());
    }
}
