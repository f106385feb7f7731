package io.xenemu.core.hypervisor;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.toolstack.Refused;
import java.util.function.Consumer;

/// The domains of a service as an operator's commands use them. All methods but [#forEach] may wait, so none of them is
/// called from `forEach`'s work, or with a lock held.
public interface OperatedDomains {
    /// Calls `work` for every domain in the order of their ids; none of them ends meanwhile.
    void forEach(Consumer<Domain> work);

    /// Pauses a domain. When it returns, every vCPU is parked. Pauses nest: each needs its own [#unpause].
    ///
    /// @throws Refused if the domain is gone, or one of its vCPUs does not stop
    void pause(Domain domain) throws Refused, InterruptedException;

    /// Undoes one [#pause].
    ///
    /// @throws Refused if the domain is not paused, or gone
    void unpause(Domain domain) throws Refused, InterruptedException;

    /// Asks a guest by XenStore to shut down. A domain that is ending already is not asked.
    ///
    /// @param how a word of Linux's `control/shutdown`: `poweroff` or `reboot`
    /// @throws Refused if XenStore refuses the request, or the guest is rebooting
    void askToShutDown(Domain domain, String how) throws Refused, InterruptedException;

    /// Asks a guest by XenStore to suspend, and waits until it has: at most a minute.
    ///
    /// @throws Refused if the guest does not suspend in time, or XenStore refuses the request, or the domain is not running
    void suspend(Domain domain) throws Refused, InterruptedException;

    /// Lets a domain go on whose guest has suspended itself.
    ///
    /// @throws Refused if the domain is not suspended, or gone
    void resume(Domain domain) throws Refused, InterruptedException;

    /// Stops a domain at once, and its guest with it. Does not wait for its end.
    void destroy(Domain domain);

    /// Waits until nothing is left of a domain.
    void awaitEnd(Domain domain) throws InterruptedException;
}
