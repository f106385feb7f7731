package io.xenemu.core.hypervisor;

import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;

/// Takes orders for the domains of one guest. The thread that drives the guest carries them out, so the caller holds no
/// lock that this thread may need.
public interface DomainDriver {
    /// Carries out an order, and waits until it is done.
    ///
    /// @throws Refused if the order does not fit the guest's state, or cannot be carried out, or the guest has this
    ///     domain no more
    void order(DomId domain, DomainOrder order) throws Refused, InterruptedException;

    /// Ends the guest at once. Does not wait.
    void destroy();
}
