package io.xenemu.core.pv;

import java.util.OptionalInt;

/// What an operator has said of a device to be made.
public sealed interface DeviceSpec permits DiskSpec, NicSpec {
    /// What it is.
    DeviceKind kind();

    /// Name or id of the domain that serves it.
    String backend();

    /// Its number, if that was said.
    OptionalInt id();

    /// The same with the number that the device was given.
    DeviceSpec numbered(int id);

    /// The nodes of its ends.
    DeviceContents contents(PvDevice device);
}
