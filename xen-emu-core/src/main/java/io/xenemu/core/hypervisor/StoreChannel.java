package io.xenemu.core.hypervisor;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.delivery.InlineListener;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.ring.IntroducedRing;
import io.xenemu.xenstore.ring.RequestObserver;
import io.xenemu.xenstore.ring.Ring;
import io.xenemu.xenstore.ring.RingConnection;
import io.xenemu.xenstore.state.XenStoreState;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A guest's connection to XenStore: its ring page and event channel. Requests are served on the vCPU that sends the
/// event, so the reply is in the ring when the hypercall returns.
///
/// A RELEASE by a host tool closes domain 0's end, as xenstored does, and the guest's waits for domain 0 again. A tool
/// may then INTRODUCE the domain again, by the same port or by another one that the guest has allocated for domain 0
/// since.
public final class StoreChannel {
    private final DomId domain;
    private final MemorySegment page;
    private final ServicePorts servicePorts;
    private final Consumer<Throwable> failed;
    private final RequestObserver observer;
    // Written first by the thread that makes the channel, and later with the store's lock held.
    private volatile Binding binding;
    private volatile boolean held;

    /// The two ends of an event channel, and the connection that serves its events.
    private static final class Binding implements InlineListener {
        private final EvtchnPort guestPort;
        private final ServicePort port;
        private volatile @Nullable RingConnection ring;

        @SuppressWarnings(
                "this-escape") // told of the first event at once, which has nobody to go to
        Binding(ServicePorts servicePorts, DomId domain, EvtchnPort guestPort) throws XenError {
            this.guestPort = guestPort;
            this.port = servicePorts.restore(domain, guestPort, this);
        }

        boolean isConnectedTo(EvtchnPort other) {
            return guestPort.equals(other) && port.isConnected();
        }

        @Override
        public void signalled() {
            RingConnection current = ring;
            if (current != null) {
                current.service();
            }
        }
    }

    /// Makes the channel of a new domain.
    ///
    /// @param page of the ring, which lasts as long as the domain
    /// @param failed ends the domain; gets a failure of its connection on another client's thread
    /// @param observer sees the guest's requests
    StoreChannel(
            DomId domain,
            EventChannels channels,
            MemorySegment page,
            ServicePorts servicePorts,
            Consumer<Throwable> failed,
            RequestObserver observer) {
        this(domain, freePort(channels), page, servicePorts, failed, observer);
    }

    /// Makes the channel of a restored domain.
    ///
    /// @param guestPort that was connected when the domain was saved, or [EvtchnPort#NONE]
    StoreChannel(
            DomId domain,
            EvtchnPort guestPort,
            MemorySegment page,
            ServicePorts servicePorts,
            Consumer<Throwable> failed,
            RequestObserver observer) {
        this.domain = domain;
        this.page = page;
        this.servicePorts = servicePorts;
        this.failed = failed;
        this.observer = observer;
        try {
            binding = new Binding(servicePorts, domain, guestPort);
        } catch (XenError e) {
            throw new IllegalStateException("XenStore cannot have an event channel", e);
        }
    }

    private static EvtchnPort freePort(EventChannels channels) {
        try {
            return channels.allocUnbound(DomId.SELF, DomId.DOM0);
        } catch (XenError e) {
            throw new IllegalStateException("a new domain has no free port", e);
        }
    }

    EvtchnPort guestPort() {
        return binding.guestPort;
    }

    /// Starts serving.
    void introduce(XenStoreServer store) {
        Binding current = binding;
        current.ring = store.introduce(domain, ring(current));
    }

    /// Continues a saved connection.
    ///
    /// @param state of the domain alone
    /// @throws XenError as [XenStoreServer#restore]
    void restore(XenStoreServer store, XenStoreState state) throws XenError {
        Binding current = binding;
        RingConnection restored =
                Objects.requireNonNull(store.restore(state, _ -> ring(current)).get(domain));
        current.ring = restored;
        // Requests may have waited in the ring when the domain was saved.
        restored.service();
    }

    /// The store's state of the domain, which must be introduced.
    XenStoreState save(XenStoreServer store) {
        return store.save(domain).withPort(domain, binding.port.guestPort().value());
    }

    /// Whether the store serves the domain: no tool has released it.
    boolean isIntroduced() {
        return binding.ring != null;
    }

    private Ring ring(Binding current) {
        return new Ring(
                page,
                current.port::notifyGuest,
                failed,
                GuestMemoryMap.XENSTORE_GFN,
                current.guestPort.value(),
                observer);
    }

    /// Leaves the ring alone until [#proceed]. No tool can introduce or release the domain meanwhile.
    void hold() {
        held = true;
        RingConnection current = binding.ring;
        if (current != null) {
            current.hold();
        }
    }

    /// Serves the ring again, and requests that have waited.
    void proceed() {
        held = false;
        RingConnection current = binding.ring;
        if (current != null) {
            current.proceed();
        }
    }

    /// Gives back domain 0's port, after the store has let go of the domain for good. The end of the guest's port does
    /// not do that.
    void close() {
        binding.port.close();
    }

    /// A host tool has released the domain. The store's lock is held.
    void released() {
        Binding last = binding;
        last.ring = null;
        last.port.close();
    }

    /// The ring for a host tool's INTRODUCE. The store's lock is held.
    ///
    /// @param gfn the frame that the tool names; only the ring's own frame is known to last
    /// @param port of the guest: the one that is connected, or one that waits for domain 0
    /// @throws XenError EBUSY if the domain is being saved; EINVAL for another frame, or a port that is neither
    IntroducedRing introduced(long gfn, int port) throws XenError {
        if (held) {
            throw XenError.EBUSY;
        }
        if (gfn != GuestMemoryMap.XENSTORE_GFN || port <= 0) {
            throw XenError.EINVAL;
        }
        Binding before = binding;
        EvtchnPort guestPort = new EvtchnPort(port);
        Binding next =
                before.isConnectedTo(guestPort)
                        ? before
                        : new Binding(servicePorts, domain, guestPort);
        return new IntroducedRing(
                ring(next),
                connection -> {
                    next.ring = connection;
                    binding = next;
                    if (next != before) {
                        before.ring = null;
                        before.port.close();
                    }
                });
    }
}
