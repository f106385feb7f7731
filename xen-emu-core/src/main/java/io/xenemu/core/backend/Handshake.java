package io.xenemu.core.backend;

import io.xenemu.core.toolstack.XenbusState;

/// The front end's state in which a back end of a kind connects.
public enum Handshake {
    /// The front end publishes its rings and becomes Initialised, and Connected after the back end is. Linux's
    /// blkfront, and its front ends of consoles, 9pfs, keyboards and framebuffers.
    INITIALISED,
    /// The front end becomes Connected at once when it has published its rings: Linux's netfront. Initialised means
    /// nothing.
    CONNECTED;

    /// Whether a front end in this state has published all that a back end needs.
    boolean isReady(XenbusState front) {
        return front == XenbusState.CONNECTED
                || (this == INITIALISED && front == XenbusState.INITIALISED);
    }
}
