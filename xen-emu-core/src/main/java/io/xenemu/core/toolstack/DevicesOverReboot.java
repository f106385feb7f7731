package io.xenemu.core.toolstack;

import java.util.List;
import java.util.concurrent.CompletableFuture;

/// The devices of a domain that ends by a reboot, for its next boot.
///
/// @param specs their specifications, with their numbers
/// @param removed completes when the devices are removed completely, so that they can be created again
public record DevicesOverReboot(List<DeviceSpec> specs, CompletableFuture<Void> removed) {
    /// No devices.
    public static final DevicesOverReboot NONE =
            new DevicesOverReboot(List.of(), CompletableFuture.completedFuture(null));
}
