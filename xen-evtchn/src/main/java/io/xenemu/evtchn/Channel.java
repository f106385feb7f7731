package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// One entry of a domain's port table, Xen's `struct evtchn`.
///
/// Whoever changes a field holds the binding lock of its domain **and** this object's monitor; whoever reads holds either.
/// So a send needs only the monitor of the port it sends on. Both ends of an interdomain channel are changed with both
/// monitors held, taken in the order of domain and port: holding one end keeps the other.
///
/// Volatile fields are also read by whoever sends from the other end, without a lock of this one.
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

    /// For [ChannelType#UNBOUND]: who may bind.
    DomId remoteDom = DomId.DOM0;

    /// For [ChannelType#INTERDOMAIN]: the other end.
    @Nullable Channel remote;

    /// For [ChannelType#VIRQ].
    @Nullable Virq virq;

    /// For [ChannelType#PIRQ].
    @Nullable Pirq pirq;

    /// For the service's own ports: told of events in place of a bit in shared_info.
    @Nullable ServiceListener listener;

    /// Whether [KernelPorts] has an entry for sends on this port.
    boolean inKernel;

    /// The way by which the kernel brings another domain's sends to this port.
    @Nullable KernelDoorbell doorbell;

    /// Index of the vCPU that is notified.
    volatile int vcpu;

    /// For the FIFO ABI: what the port's events are queued with. Changed with just the binding lock held.
    volatile int priority = Fifo.DEFAULT_PRIORITY;

    /// For the FIFO ABI: where the last event was queued. Changed with that queue's monitor, and the former one's, held.
    volatile @Nullable FifoQueue lastQueue;

    /// For the FIFO ABI: whether an event waits for the port's word to exist. By [#LATCHED] alone.
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

    /// Takes back what [#latch] remembered, if nobody else has.
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
