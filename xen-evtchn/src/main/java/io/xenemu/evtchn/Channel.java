package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// One entry of a domain's port table, Xen's `struct evtchn`.
///
/// A thread that changes a field holds the binding lock of the channel's domain **and** this object's monitor; a thread
/// that reads holds either. So a send needs only the monitor of the port it sends on. Both ends of an interdomain
/// channel are changed with both monitors held, taken in the order of domain and port. So a thread that holds one end's
/// monitor keeps the other end, too.
///
/// Volatile fields are also read by senders on the other end, which hold no lock of this one.
final class Channel {
    private static final VarHandle LATCHED;

    static {
        try {
            LATCHED = MethodHandles.lookup().findVarHandle(Channel.class, "latched", boolean.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    final Bindings owner;
    final EvtchnPort port;

    volatile ChannelType type = ChannelType.CLOSED;

    /// For [ChannelType#UNBOUND]: the domain that may bind.
    DomId remoteDom = DomId.DOM0;

    /// For [ChannelType#INTERDOMAIN]: the other end.
    @Nullable Channel remote;

    /// For [ChannelType#VIRQ].
    @Nullable Virq virq;

    /// For [ChannelType#PIRQ].
    @Nullable Pirq pirq;

    /// For the service's own ports: called for each event, instead of setting a bit in shared_info.
    @Nullable ServiceListener listener;

    /// Whether [KernelPorts] has an entry for sends on this port.
    boolean inKernel;

    /// The doorbell through which the kernel delivers another domain's sends to this port.
    @Nullable KernelDoorbell doorbell;

    /// Index of the vCPU that the port notifies.
    volatile int vcpu;

    /// For the FIFO ABI: the priority with which the port's events are queued. Changed with only the binding lock
    /// held.
    volatile int priority = Fifo.DEFAULT_PRIORITY;

    /// For the FIFO ABI: the queue of the last event. Changed with the monitors of that queue and of the former one
    /// held.
    volatile @Nullable FifoQueue lastQueue;

    /// For the FIFO ABI: whether an event waits for the port's word to exist. Changed only through [#LATCHED].
    @SuppressWarnings("UnusedVariable")
    private volatile boolean latched;

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

    /// The interrupt of a PIRQ channel.
    Pirq pirq() {
        return Objects.requireNonNull(pirq);
    }

    /// Remembers an event whose word does not exist yet.
    void latch() {
        LATCHED.setVolatile(this, true);
    }

    /// Takes back what [#latch] remembered, unless another thread already has.
    boolean takeLatch() {
        return latched && (boolean) LATCHED.getAndSet(this, false);
    }

    boolean isLatched() {
        return latched;
    }

    /// Whether this end's monitor is taken before the other's.
    boolean before(Channel other) {
        int byDomain = Integer.compare(owner.domId.value(), other.owner.domId.value());
        return byDomain < 0 || (byDomain == 0 && port.value() < other.port.value());
    }
}
