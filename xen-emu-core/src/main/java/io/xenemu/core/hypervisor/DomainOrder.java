package io.xenemu.core.hypervisor;

import io.xenemu.core.host.WorkProgress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Consumer;

/// An operator's order for a guest's domain. The guest's driver carries it out, and answers when it is done.
public sealed interface DomainOrder {
    /// Orders without arguments.
    enum Plain implements DomainOrder {
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

    /// Writes registers and memory to a file. A domain that runs is paused meanwhile, unless the dump is `live`. While
    /// one dump lasts, others are refused. An interrupt of the thread that waits ends the dump.
    ///
    /// @param file absolute, on the service's host
    /// @param told gets the progress of the dump from time to time, on the thread that waits
    record DumpCore(Path file, boolean live, Consumer<WorkProgress> told) implements DomainOrder {}

    /// Writes the guest's whole state, so that it can go on elsewhere. If that fails, it goes on here. An interrupt of
    /// the thread that waits gives the save up.
    ///
    /// @param then what becomes of the guest here
    /// @param suspend whether the guest takes part: it is asked to suspend itself, and goes on as in a new domain
    /// @param told gets the progress from time to time, on the thread that waits
    /// @param stoodStill gets the time for which the guest did not run, on that thread
    record Save(
            SavePlace place,
            Then then,
            boolean suspend,
            Consumer<WorkProgress> told,
            Consumer<Duration> stoodStill)
            implements DomainOrder {}

    /// What becomes of a guest that has been saved.
    enum Then {
        /// It is gone.
        END,
        /// It goes on: the state is a checkpoint.
        GO_ON,
        /// It stays paused.
        STAY_PAUSED
    }
}
