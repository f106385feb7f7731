package io.xenemu.core.hypervisor;

import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;

/// Takes orders for the domains of one guest. The thread that drives the guest carries them out, so the caller holds no
/// lock that this thread may need. Methods that throw `InterruptedException` wait until the order is carried out.
public interface DomainDriver {
    /// Pauses the domain; pauses nest.
    ///
    /// @throws Refused if the guest has this domain no more
    void pause(DomId domain) throws Refused, InterruptedException;

    /// Undoes one pause.
    ///
    /// @throws Refused if the domain is not paused, or the guest has it no more
    void unpause(DomId domain) throws Refused, InterruptedException;

    /// Asks the guest by XenStore to power off.
    ///
    /// @throws Refused if XenStore refuses, or the guest has another domain
    void askToPowerOff(DomId domain) throws Refused, InterruptedException;

    /// Asks the guest by XenStore to reboot.
    ///
    /// @throws Refused if XenStore refuses, or the guest has another domain
    void askToReboot(DomId domain) throws Refused, InterruptedException;

    /// Asks the guest by XenStore to suspend, and waits until it has.
    ///
    /// @throws Refused if it has not within a time, or is not running
    void suspend(DomId domain) throws Refused, InterruptedException;

    /// Cancels a suspend.
    ///
    /// @throws Refused if the domain is not suspended, or the guest has it no more
    void resume(DomId domain) throws Refused, InterruptedException;

    /// Ends the guest at once. Does not wait.
    void destroy();
}
