package io.xenemu.core.toolstack;

import java.util.OptionalInt;

/// An operator's specification of a device.
public sealed interface DeviceSpec permits DiskSpec, NicSpec, P9Spec {
    /// The back end's domain if an operator names none: domain 0, which is the service.
    String SERVICE = "0";

    /// The kind of device.
    DeviceKind kind();

    /// Name or id of the back end's domain.
    String backend();

    /// Whether domain 0 is to serve it, by its id or its name.
    default boolean isByService() {
        return backend().equals(SERVICE) || backend().equals("Domain-0");
    }

    /// The device's number, if the operator gave one.
    OptionalInt id();

    /// This specification with the number that the device got.
    DeviceSpec numbered(int id);

    /// The initial nodes of the device.
    DeviceContents contents(PvDevice device);
}
