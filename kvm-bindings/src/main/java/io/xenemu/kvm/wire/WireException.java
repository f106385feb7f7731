package io.xenemu.kvm.wire;

import java.io.IOException;
import java.io.Serial;

/// Saved state that cannot be used: damaged, cut off, hostile, or of a version that this program does not know. The
/// message says which, for an operator.
public final class WireException extends IOException {
    @Serial private static final long serialVersionUID = 1L;

    /// @param message what is wrong with the stream
    public WireException(String message) {
        super(message);
    }

    /// @param message what is wrong with the stream
    /// @param cause the exception that showed it
    public WireException(String message, Throwable cause) {
        super(message, cause);
    }

    /// A body of a version that its component cannot read.
    public static WireException unknownVersion(String component, int version) {
        return new WireException(
                component
                        + " state has version "
                        + Integer.toUnsignedString(version)
                        + ", which this program does not know");
    }
}
