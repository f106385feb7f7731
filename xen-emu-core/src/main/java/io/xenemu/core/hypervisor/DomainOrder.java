package io.xenemu.core.hypervisor;

/// What an operator may order for a guest's domain. The guest's driver carries it out, and answers when it is done.
public enum DomainOrder {
    /// Keeps the vCPUs from running. When it is done, every vCPU is parked. Pauses nest.
    PAUSE,
    /// Undoes one pause.
    UNPAUSE,
    /// Asks the guest by XenStore to power off; does not wait for that. A guest that is ending needs no request.
    POWER_OFF,
    /// Asks the guest by XenStore to reboot, in the same way.
    REBOOT,
    /// Asks the guest by XenStore to suspend, and waits until it has: at most a minute.
    SUSPEND,
    /// Lets a guest go on that has suspended itself.
    RESUME
}
