package io.xenemu.evtchn;

import io.xenemu.kvm.abi.VcpuId;
import org.jspecify.annotations.Nullable;

/// The part of a domain's port table that KVM serves without an exit (`KVM_XEN_ATTR_TYPE_EVTCHN`, `..._TIMER`,
/// `KVM_XEN_HVM_EVTCHN_SEND`, `KVM_IRQ_ROUTING_XEN_EVTCHN`). It is a cache: every entry follows from [EventChannels]' own
/// table.
///
/// All methods but [#timerChanged] are called with a lock of the event channels held, so that the kernel sees changes of
/// a port in the order in which they were made: an assignment of a reused port can never overtake the removal of its
/// former use, and once a removal has returned the kernel no longer sends on that port. They may therefore make VM ioctls,
/// which need no vCPU to stop, but must neither wait for a vCPU thread nor call back into [EventChannels].
/// A host failure is an unchecked exception. It ends the domain whose kernel it is ([EventEnvironment#failed]), on whichever
/// domain's thread it comes up; that thread goes on.
public interface KernelPorts {
    /// Sends on `port` become an event on the same port at `vcpu`.
    void assignIpi(EvtchnPort port, VcpuId vcpu);

    /// Sends on `port` reach `listener` through an eventfd, which the implementation makes, waits for, and closes when the
    /// port is deassigned.
    void assignService(EvtchnPort port, ServiceListener listener);

    /// Sends on `port` become an event on `target`, another port of the same domain, at `vcpu`.
    void assignLoopback(EvtchnPort port, EvtchnPort target, VcpuId vcpu);

    /// Moves the events of an assigned loopback port to another vCPU.
    void updateLoopback(EvtchnPort port, EvtchnPort target, VcpuId vcpu);

    /// Sends on `port` ring the doorbell of another domain, which outlives the entry.
    void assignDoorbell(EvtchnPort port, KernelDoorbell doorbell);

    /// Removes the entry of an assigned port. When it returns, no send that the kernel had begun is still under way.
    void deassign(EvtchnPort port);

    /// Whether the kernel knows where to announce events to the vCPU. It drops or refuses those for a vCPU of which it does
    /// not. A channel that is bound before stays in user space until it is bound to another vCPU, or delivery changes.
    boolean reaches(VcpuId vcpu);

    /// Makes a way by which the kernels of other domains bring events to `port` at `vcpu`, which [#reaches] has allowed.
    ///
    /// @return null if the kernel offers none; sends of other domains then go through user space
    @Nullable KernelDoorbell openDoorbell(EvtchnPort port, VcpuId vcpu);

    /// Lets an open doorbell of `port` notify another vCPU, which [#reaches] has allowed.
    void moveDoorbell(EvtchnPort port, KernelDoorbell doorbell, VcpuId vcpu);

    /// Ends an open doorbell of `port`. When it returns, no event that it brought is still under way.
    void closeDoorbell(EvtchnPort port, KernelDoorbell doorbell);

    /// A message-signalled interrupt has a port, or its port another vCPU: the kernel may turn it into events of `port` at
    /// `vcpu` from here on (a route of type `KVM_IRQ_ROUTING_XEN_EVTCHN` for the device's irqfd). Whatever it does not
    /// take over is brought with [Pirqs#raiseMsi].
    void routePirq(Pirq pirq, EvtchnPort port, VcpuId vcpu);

    /// A message-signalled interrupt, routed before, has no port any more.
    void unroutePirq(Pirq pirq);

    /// Removes every entry, route and doorbell.
    void reset();

    /// Raises an event as the kernel does, which also wakes a vCPU that sleeps in the kernel's SCHEDOP_poll on a masked
    /// port.
    ///
    /// @return false if the kernel cannot (it does not reach the vCPU); then nothing has happened
    boolean send(EvtchnPort port, VcpuId vcpu);

    /// Whether a vCPU learns of an event that the kernel delivers to it. If not, only what delivers no event is left to the
    /// kernel. A change is told by [EventChannels#kernelDeliveryChanged].
    boolean notifiesVcpus();

    /// The port of the vCPU's timer VIRQ has changed. Called with no lock held, since this attribute can only be set by the
    /// vCPU's own thread. That thread has to ask [EventChannels#timerPort] when it sets the attribute, so that of two
    /// changes in quick succession the last one stays, whatever the order of the calls.
    void timerChanged(VcpuId vcpu);

    /// No kernel at all: every send is served in user space.
    static KernelPorts none() {
        return NoKernelPorts.INSTANCE;
    }
}
