package io.xenemu.core.hypervisor;

import io.xenemu.core.domain.Domain;
import io.xenemu.kvm.abi.XenError;
import java.util.function.Consumer;

/// The domains of a service as an operator's commands use them.
public interface OperatedDomains {
    /// Calls `work` for every domain in the order of their ids; none of them ends meanwhile.
    void forEach(Consumer<Domain> work);

    /// Asks a guest by XenStore to shut down.
    ///
    /// @param how a word of Linux's `control/shutdown`: `poweroff` or `reboot`
    /// @throws XenError what XenStore answers
    void askToShutDown(Domain domain, String how) throws XenError;

    /// Waits until nothing is left of a domain.
    void awaitEnd(Domain domain) throws InterruptedException;
}
