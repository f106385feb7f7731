package io.xenemu.core.guest;

import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.hypervisor.MemoryAdmission;

/// A domain that has stopped, and stays as a guest of its own while its guest boots again. The owner removes the boot
/// and closes the share.
///
/// @param boot its vCPUs have ended
/// @param request from which its guest was made
/// @param share of the host's memory
/// @param reason why it has stopped
record StoppedBoot(
        GuestBoot boot, GuestRequest request, MemoryAdmission.Share share, ShutdownReason reason) {
    /// Takes stopped domains over.
    interface Keeper {
        /// Takes a domain over, unless the service ends, or it has too many such domains of this guest.
        ///
        /// @return false if the domain is not kept
        boolean keep(StoppedBoot stopped);
    }
}
