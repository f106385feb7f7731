package io.xenemu.core.toolstack;

import java.util.List;
import java.util.concurrent.CompletableFuture;

/// The devices that a domain gets before it starts.
///
/// @param specs their specifications, after a reboot with their numbers
/// @param removed completes when the devices of the domain before are removed completely, so that they can be created
///     again
/// @param isRequired whether a domain without one of them is not to start: the guest's first domain. After a reboot, a
///     device that cannot be had is missing, and the log says so
public record DevicesOverReboot(
        List<DeviceSpec> specs, CompletableFuture<Void> removed, boolean isRequired) {
    /// The devices of a guest's first domain.
    public static DevicesOverReboot ofFirstBoot(List<DeviceSpec> specs) {
        return new DevicesOverReboot(specs, CompletableFuture.completedFuture(null), true);
    }
}
