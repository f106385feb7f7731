package io.xenemu.evtchn;

import io.xenemu.kvm.abi.VcpuId;

/// The part of a domain's port table that KVM serves without an exit (`KVM_XEN_ATTR_TYPE_EVTCHN`, `..._TIMER`,
/// `KVM_XEN_HVM_EVTCHN_SEND`). It is a cache: every entry follows from [EventChannels]' own table.
///
/// All methods but [#timerChanged] are called with a lock of the event channels held, so that the kernel sees changes of
/// a port in the order in which they were made: an assignment of a reused port can never overtake the removal of its
/// former use, and once a removal has returned the kernel no longer sends on that port. They may therefore make VM ioctls,
/// which need no vCPU to stop, but must neither wait for a vCPU thread nor call back into [EventChannels].
/// A host failure is an unchecked exception and ends the VM.
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

    /// Removes the entry of an assigned port. When it returns, no send that the kernel had begun is still under way.
    void deassign(EvtchnPort port);

    /// Removes every entry.
    void reset();

    /// Raises an event as the kernel does, which also wakes a vCPU that sleeps in the kernel's SCHEDOP_poll on a masked
    /// port.
    ///
    /// @return false if the kernel cannot (shared_info not set there, or delivery not left to it); then nothing has happened
    boolean send(EvtchnPort port, VcpuId vcpu);

    /// The port of the vCPU's timer VIRQ has changed. Called with no lock held, since this attribute can only be set by the
    /// vCPU's own thread. That thread has to ask [EventChannels#timerPort] when it sets the attribute, so that of two
    /// changes in quick succession the last one stays, whatever the order of the calls.
    void timerChanged(VcpuId vcpu);

    /// No kernel at all: every send is served in user space.
    static KernelPorts none() {
        return NoKernelPorts.INSTANCE;
    }
}
