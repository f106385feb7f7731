package io.xenemu.core.backend;

import io.xenemu.core.toolstack.XenbusState;

/// The condition of a back end. It is the state that the guest sees, and whether the back end holds anything of the
/// guest's.
enum Phase {
    /// The toolstack has made the device.
    INITIALISING(XenbusState.INITIALISING, false),
    /// The features are published.
    INIT_WAIT(XenbusState.INIT_WAIT, false),
    /// The rings are served.
    CONNECTED(XenbusState.CONNECTED, true),
    /// As connected; the front end has not yet returned to Connected after it changed its settings.
    RECONFIGURED(XenbusState.RECONFIGURED, true),
    /// The device is to be closed. The rings are still served: a guest that has the disk mounted goes on using it until
    /// it closes it.
    CLOSING(XenbusState.CLOSING, true),
    /// Connecting has failed, or the front end closes without ever having been connected.
    UNCONNECTED(XenbusState.CLOSING, false),
    /// The guest may connect again, as long as the device is online.
    CLOSED(XenbusState.CLOSED, false),
    /// The device is gone for good.
    GONE(XenbusState.CLOSED, false);

    private final XenbusState shown;
    private final boolean connected;

    Phase(XenbusState shown, boolean connected) {
        this.shown = shown;
        this.connected = connected;
    }

    /// The phase of a device that is not gone.
    ///
    /// @throws IllegalArgumentException if there is none
    static Phase of(XenbusState shown, boolean isConnected) {
        for (Phase phase : values()) {
            if (phase.shown == shown && phase.connected == isConnected) {
                return phase;
            }
        }
        throw new IllegalArgumentException("no device is %s so".formatted(shown));
    }

    /// The state in the back end's directory.
    XenbusState shown() {
        return shown;
    }

    /// Whether there is a connection.
    boolean isConnected() {
        return connected;
    }
}
