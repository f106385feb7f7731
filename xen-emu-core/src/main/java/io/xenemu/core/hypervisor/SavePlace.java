package io.xenemu.core.hypervisor;

import java.nio.file.Path;

/// The place of a saved guest.
///
/// @param path absolute, on the service's host
/// @param kind of the place
public record SavePlace(Path path, Kind kind) {
    /// The kinds of places.
    public enum Kind {
        /// A file.
        FILE,
        /// A Unix socket of a client that passes the bytes on, such as to a pipe. The service connects to it.
        SOCKET
    }
}
