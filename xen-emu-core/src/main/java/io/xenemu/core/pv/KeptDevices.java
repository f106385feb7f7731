package io.xenemu.core.pv;

import java.util.List;
import java.util.concurrent.CompletableFuture;

/// What a domain had that ends by a reboot, for the one that comes after it.
///
/// @param specs of its devices, with their numbers
/// @param removed complete when nothing is left of the devices, so that they can be made again
public record KeptDevices(List<DeviceSpec> specs, CompletableFuture<Void> removed) {
    /// No devices.
    public static final KeptDevices NONE =
            new KeptDevices(List.of(), CompletableFuture.completedFuture(null));
}
