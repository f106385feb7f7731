package io.xenemu.core.hypervisor;

import java.nio.file.Path;

/// The place of a saved guest.
///
/// @param path absolute, on the service's host
/// @param kind of the place
public record SavePlace(Path path, Kind kind) {
    /// The byte by which a client says on its socket that it has passed all bytes of a saved guest on. Only then the
    /// guest may be given up.
    public static final byte TAKEN = 'k';

    /// The kinds of places.
    public enum Kind {
        /// A file.
        FILE,
        /// A Unix socket of a client that passes the bytes on, such as to a pipe. The service connects to it.
        SOCKET
    }
}
