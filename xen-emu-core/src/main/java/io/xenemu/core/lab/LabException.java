package io.xenemu.core.lab;

import java.io.IOException;

/// The lab cannot be had or has failed: a package is not to be had, QEMU does not start, the machine does not boot. The message is one that an
/// operator can act on and is printed as it is.
public sealed class LabException extends IOException permits LabHangException {
    private static final long serialVersionUID = 1L;

    /// A failure without a cause worth showing.
    ///
    /// @param message what is wrong, and what to do about it if that is known
    public LabException(String message) {
        super(message);
    }

    /// A failure that something else showed.
    ///
    /// @param message what is wrong
    /// @param cause what showed it
    public LabException(String message, Throwable cause) {
        super(message, cause);
    }
}
