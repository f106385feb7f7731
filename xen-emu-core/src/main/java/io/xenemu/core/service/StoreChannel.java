package io.xenemu.core.service;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.domain.InlineListener;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.Ring;
import io.xenemu.xenstore.RingConnection;
import io.xenemu.xenstore.XenStoreServer;
import org.jspecify.annotations.Nullable;

/// A guest's connection to XenStore: its ring page and event channel. Requests are served on the vCPU that sends the
/// event, so the reply is in the ring when the hypercall returns.
final class StoreChannel implements InlineListener {
    private volatile @Nullable RingConnection ring;
    private final EvtchnPort guestPort;
    private final ServicePort port;

    StoreChannel(Domain domain, ServicePorts servicePorts) {
        try {
            guestPort = domain.eventChannels().allocUnbound(DomId.SELF, DomId.DOM0);
            port = servicePorts.bindInterdomain(domain.id(), guestPort, this);
        } catch (XenError e) {
            throw new IllegalStateException("a new domain has no free port", e);
        }
        domain.params().set(HvmParams.STORE_PFN, GuestMemoryMap.XENSTORE_GFN);
        domain.params().set(HvmParams.STORE_EVTCHN, guestPort.value());
    }

    EvtchnPort guestPort() {
        return guestPort;
    }

    /// Starts serving.
    void introduce(XenStoreServer store, Domain domain) {
        ring =
                store.introduce(
                        domain.id(),
                        new Ring(
                                domain.special().xenstore(),
                                port::notifyGuest,
                                GuestMemoryMap.XENSTORE_GFN,
                                guestPort.value()));
    }

    @Override
    public void signalled() {
        RingConnection current = ring;
        if (current != null) {
            current.service();
        }
    }
}
