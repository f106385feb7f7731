package io.xenemu.evtchn;

import io.xenemu.kvm.abi.VcpuId;
import org.jspecify.annotations.Nullable;

/// The part of a domain's port table that KVM serves without an exit (`KVM_XEN_ATTR_TYPE_EVTCHN`, `..._TIMER`,
/// `KVM_XEN_HVM_EVTCHN_SEND`, `KVM_IRQ_ROUTING_XEN_EVTCHN`). It is a cache: every entry is derived from
/// [EventChannels]' own table.
///
/// All methods except [#timerChanged] are called with a lock of the event channels held. So the kernel sees the changes
/// of a port in their order: an assignment of a reused port never overtakes the removal of its former entry. Once a
/// removal has returned, the kernel no longer sends on that port. Implementations may make VM ioctls, which need no
/// vCPU to stop. They must neither wait for a vCPU thread nor call back into [EventChannels].
///
/// A host failure is an unchecked exception. It ends the domain that owns these ports ([EventEnvironment#failed]),
/// whichever domain's thread made the call; that thread goes on.
public interface KernelPorts {
    /// Turns sends on `port` into an event on the same port at `vcpu`.
    void assignIpi(EvtchnPort port, VcpuId vcpu);

    /// Forwards sends on `port` to `listener` through an eventfd. The implementation makes the eventfd, waits on it,
    /// and closes it when the port is deassigned.
    void assignService(EvtchnPort port, ServiceListener listener);

    /// Turns sends on `port` into an event on `target`, another port of the same domain, at `vcpu`.
    void assignLoopback(EvtchnPort port, EvtchnPort target, VcpuId vcpu);

    /// Moves the events of an assigned loopback port to another vCPU.
    void updateLoopback(EvtchnPort port, EvtchnPort target, VcpuId vcpu);

    /// Makes sends on `port` ring another domain's doorbell, which outlives the entry.
    void assignDoorbell(EvtchnPort port, KernelDoorbell doorbell);

    /// Removes the entry of an assigned port. When it returns, no send that the kernel had begun is still in
    /// progress.
    void deassign(EvtchnPort port);

    /// Whether the kernel has a place to announce events to the vCPU; without one it drops or refuses them. A channel
    /// that was bound before stays in user space until it is bound to another vCPU, or delivery changes.
    boolean reaches(VcpuId vcpu);

    /// Opens a doorbell for events of other domains' kernels to `port` at `vcpu`. [#reaches] is true for `vcpu`.
    ///
    /// @return null if the kernel offers none; sends of other domains then go through user space
    @Nullable KernelDoorbell openDoorbell(EvtchnPort port, VcpuId vcpu);

    /// Makes an open doorbell of `port` notify another vCPU, for which [#reaches] is true.
    void moveDoorbell(EvtchnPort port, KernelDoorbell doorbell, VcpuId vcpu);

    /// Closes a doorbell of `port`. When it returns, no event that it delivered is still in progress.
    void closeDoorbell(EvtchnPort port, KernelDoorbell doorbell);

    /// Routes a message-signalled interrupt that has been bound to `port`, or whose port has moved to `vcpu`. From
    /// now on the kernel may turn it into events of `port` at `vcpu` (a route of type `KVM_IRQ_ROUTING_XEN_EVTCHN`
    /// for the device's irqfd). Interrupts that it does not deliver are raised with [Pirqs#raiseMsi].
    void routePirq(Pirq pirq, EvtchnPort port, VcpuId vcpu);

    /// Removes the route of a message-signalled interrupt, whose port is being closed or unmapped.
    void unroutePirq(Pirq pirq);

    /// Tells that the line of a GSI now reaches the guest as events of its PIRQ, which has a port; or through the
    /// interrupt controllers again.
    ///
    /// @param gsi 0 to [Pirqs#GSIS] - 1
    void routeGsi(int gsi, boolean isEvent);

    /// Removes every entry, route and doorbell.
    void reset();

    /// Raises an event as the kernel does, which also wakes a vCPU that sleeps in the kernel's SCHEDOP_poll on a
    /// masked port.
    ///
    /// @return false if the kernel cannot, as it does not reach the vCPU; then nothing has happened
    boolean send(EvtchnPort port, VcpuId vcpu);

    /// Whether a vCPU notices events that the kernel delivers to it. If not, the kernel gets only entries that
    /// deliver no event. Report a change with [EventChannels#kernelDeliveryChanged].
    boolean notifiesVcpus();

    /// Lets the kernel serve SCHEDOP_poll, or not. It looks for events in the bitmaps of the 2-level ABI, so it must
    /// not serve a domain with the FIFO ABI. At first it serves polls.
    void servePolls(boolean on);

    /// Tells that the port of the vCPU's timer VIRQ has changed. Called with no lock held, since only the vCPU's own
    /// thread can set this attribute. That thread has to read [EventChannels#timerPort] when it sets the attribute. So
    /// the last of several quick changes wins, whatever the order of the calls.
    void timerChanged(VcpuId vcpu);

    /// No kernel: user space serves every send.
    static KernelPorts none() {
        return NoKernelPorts.INSTANCE;
    }
}
