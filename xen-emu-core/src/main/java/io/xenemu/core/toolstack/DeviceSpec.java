package io.xenemu.core.toolstack;

import java.util.OptionalInt;

/// An operator's specification of a device.
public sealed interface DeviceSpec permits DiskSpec, NicSpec {
    /// The kind of device.
    DeviceKind kind();

    /// Name or id of the back end's domain.
    String backend();

    /// The device's number, if the operator gave one.
    OptionalInt id();

    /// This specification with the number that the device got.
    DeviceSpec numbered(int id);

    /// The initial nodes of the device.
    DeviceContents contents(PvDevice device);
}
