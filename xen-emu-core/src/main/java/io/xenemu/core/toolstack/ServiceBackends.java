package io.xenemu.core.toolstack;

import java.time.Duration;
import java.util.Optional;

/// The back ends of the service itself, which is domain 0, as the toolstack uses them.
public interface ServiceBackends {
    /// Serves nothing.
    ServiceBackends NONE =
            new ServiceBackends() {
                @Override
                public Opened open(DeviceSpec spec) throws Refused {
                    throw notServed(spec.kind());
                }

                @Override
                public void resize(PvDevice device) throws Refused {
                    throw notServed(device.kind());
                }

                @Override
                public boolean awaitEnd(PvDevice device, Duration limit) {
                    return true;
                }

                @Override
                public Optional<String> use(PvDevice device) {
                    return Optional.empty();
                }
            };

    /// The service does not serve this kind of device.
    static Refused notServed(DeviceKind kind) {
        return new Refused(
                "domain 0 serves no %s yet: name the serving domain with backend=DOMAIN"
                        .formatted(kind.plural()));
    }

    /// Opens what a device needs on the host, before it has nodes.
    ///
    /// @throws Refused if it cannot be had
    Opened open(DeviceSpec spec) throws Refused;

    /// Tells the guest that a device has become larger on the host.
    ///
    /// @throws Refused if it has not, or if the service does not serve it
    void resize(PvDevice device) throws Refused;

    /// Waits until nothing is left of a device that is to end.
    ///
    /// @return false if that is not so after `limit`
    boolean awaitEnd(PvDevice device, Duration limit) throws InterruptedException;

    /// The use of a device that its guest has to end first, such as a mount; empty if there is none. Does not wait.
    Optional<String> use(PvDevice device);

    /// A device that is open. Either [#serve] or [#discard] is called, once; [#discard] also after a refusal of
    /// [#serve].
    interface Opened {
        /// The specification with what the host has chosen, such as a terminal: its nodes are the device's.
        DeviceSpec completed(DeviceSpec spec);

        /// Serves the device from now on; its nodes exist.
        ///
        /// @throws Refused if the host cannot have it
        void serve(PvDevice device) throws Refused;

        /// Gives it back, since the device cannot be made.
        void discard();
    }
}
