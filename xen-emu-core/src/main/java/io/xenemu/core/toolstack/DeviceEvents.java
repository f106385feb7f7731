package io.xenemu.core.toolstack;

/// Takes the events of paravirtual devices. Returns at once.
public interface DeviceEvents {
    /// Ignores all events.
    DeviceEvents NONE =
            new DeviceEvents() {
                @Override
                public void attached(PvDevice device) {}

                @Override
                public void detached(PvDevice device) {}
            };

    /// The back end of a device has taken it.
    void attached(PvDevice device);

    /// A device that had been attached, or was being attached, has been removed.
    void detached(PvDevice device);
}
