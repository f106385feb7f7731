package io.xenemu.evtchn;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;

/// The event channels of domain 0, which is the service: one table for the channels of all back ends and guests. Its
/// ports call listeners instead of notifying vCPUs. Binding and closing take its lock; sends in either direction do
/// not.
public final class ServicePorts {
    /// The number of ports that Xen allows a domain (`EVTCHN_FIFO_NR_CHANNELS`).
    public static final int LIMIT = Fifo.PORTS;

    private final EventChannels channels;

    /// @param domains finds guests
    /// @param registry for the meters of domain 0
    public ServicePorts(PeerChannels domains, MeterRegistry registry) {
        this.channels =
                new EventChannels(
                        DomId.DOM0,
                        EvtchnOptions.of(1).withFifo(true),
                        new EventEnvironment(
                                domains,
                                KernelPorts.none(),
                                vcpu -> {
                                    throw new IllegalStateException(
                                            "domain 0 has no vCPU to interrupt");
                                },
                                GuestPages.none(),
                                PortAccount.unlimited(),
                                e -> {
                                    throw new IllegalStateException(
                                            "domain 0 has no kernel, vCPU or memory to fail", e);
                                }),
                        new EventChannelMetrics(registry, DomId.DOM0));
    }

    /// The event channels that [PeerChannels] has to return for domain 0.
    public EventChannels channels() {
        return channels;
    }

    /// Connects a back end to a port that the guest (or the toolstack on its behalf) keeps unbound for domain 0.
    /// Calls `listener` once before it returns, since sends on the unbound port have been dropped.
    ///
    /// @param listener called when the guest sends
    /// @throws XenError `ESRCH` no such domain; `EINVAL` the guest's port is invalid, not unbound, or not for domain 0;
    ///     `ENOSPC` domain 0 has no port left
    public ServicePort bindInterdomain(DomId guest, EvtchnPort guestPort, ServiceListener listener)
            throws XenError {
        Bindings remote = channels.find(guest).bindings;
        return new ServicePort(
                channels, Interdomain.bind(channels.bindings, remote, guestPort, listener).port);
    }

    /// Connects a back end again after its guest was restored.
    ///
    /// @param guestPort from [ServicePort#guestPort] when the guest was saved; [EvtchnPort#NONE] if none was connected
    /// @throws XenError as [#bindInterdomain] and [#allocUnbound]
    public ServicePort restore(DomId guest, EvtchnPort guestPort, ServiceListener listener)
            throws XenError {
        return guestPort.equals(EvtchnPort.NONE)
                ? allocUnbound(guest, listener)
                : bindInterdomain(guest, guestPort, listener);
    }

    /// Allocates a port of domain 0 to which a guest may bind.
    ///
    /// @throws XenError `ENOSPC` domain 0 has no port left
    public ServicePort allocUnbound(DomId guest, ServiceListener listener) throws XenError {
        return new ServicePort(channels, channels.bindings.allocUnbound(guest, listener).port);
    }
}
