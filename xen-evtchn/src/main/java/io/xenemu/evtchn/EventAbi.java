package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;

/// How events lie in guest memory and travel to a vCPU: [TwoLevel] or [Fifo]. Xen's `struct evtchn_port_ops`.
///
/// The guest, other vCPUs' hypercalls and perhaps the kernel work on the same words, so every method may run at the same
/// time as any other, for the same port too.
sealed interface EventAbi permits TwoLevel, Fifo {
    /// Ports that it has room for, the reserved port 0 included.
    int limit();

    /// Makes an event of `channel` pending.
    ///
    /// @return whether `vcpu` is due an upcall
    boolean setPending(Channel channel, Vcpu vcpu);

    /// Whether an event waits, masked or not.
    boolean isPending(Channel channel);

    /// Takes back an event that waits, before the port's next user could find it.
    void clearPending(Channel channel);

    /// Clears the mask, and announces an event that waited for that.
    ///
    /// @return whether `vcpu` is due an upcall
    boolean unmask(Channel channel, Vcpu vcpu);

    /// Announces an event that may already be pending.
    ///
    /// @return whether `vcpu` is due an upcall
    boolean announce(Channel channel, Vcpu vcpu);

    /// Makes sure that `vcpu` looks at announcements that it may not have been told of.
    ///
    /// @return whether `vcpu` is due an upcall
    boolean announceAgain(Vcpu vcpu);

    /// Whether a closed port can not be used again yet.
    boolean isBusy(int port);

    /// Whether a port has a priority.
    boolean hasPriorities();

    /// Sets the priority of the port's events from now on.
    ///
    /// @throws XenError `ENOSYS` there are no priorities; `EINVAL` there is no such one
    void setPriority(Channel channel, int priority) throws XenError;
}
