package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;

/// How events are stored in guest memory and announced to a vCPU: [TwoLevel] or [Fifo]. Xen's `struct
/// evtchn_port_ops`.
///
/// The guest, other vCPUs' hypercalls and possibly the kernel change the same words. So every method may run
/// concurrently with any other, for the same port too.
sealed interface EventAbi permits TwoLevel, Fifo {
    /// The number of ports, the reserved port 0 included.
    int limit();

    /// Makes an event of `channel` pending.
    ///
    /// @return whether `vcpu` needs an upcall
    boolean setPending(Channel channel, Vcpu vcpu);

    /// Whether an event waits, masked or not.
    boolean isPending(Channel channel);

    /// Clears a pending event, so that the port's next user does not find it.
    void clearPending(Channel channel);

    /// Clears the mask, and announces an event that became pending while masked.
    ///
    /// @return whether `vcpu` needs an upcall
    boolean unmask(Channel channel, Vcpu vcpu);

    /// Announces the channel's event if it is pending and unmasked.
    ///
    /// @return whether `vcpu` needs an upcall
    boolean announce(Channel channel, Vcpu vcpu);

    /// Makes sure that `vcpu` looks at announcements for which it may have missed the upcall.
    ///
    /// @return whether `vcpu` needs an upcall
    boolean announceAgain(Vcpu vcpu);

    /// Whether a closed port cannot be used again yet.
    boolean isBusy(int port);

    /// Whether ports have priorities.
    boolean hasPriorities();

    /// Sets the priority of the port's later events.
    ///
    /// @throws XenError `ENOSYS` the ABI has no priorities; `EINVAL` no such priority
    void setPriority(Channel channel, int priority) throws XenError;
}
