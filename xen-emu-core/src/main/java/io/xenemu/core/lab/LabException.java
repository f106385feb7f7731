package io.xenemu.core.lab;

import java.io.IOException;

/// The lab is not available or has failed: a package is missing, QEMU does not start, the machine does not boot. The
/// message tells the operator what to do, and is printed unchanged.
public sealed class LabException extends IOException permits LabHangException, OfflineException {
    private static final long serialVersionUID = 1L;

    /// A failure without a cause worth showing.
    ///
    /// @param message what is wrong, and what to do about it if that is known
    public LabException(String message) {
        super(message);
    }

    /// A failure with its cause.
    ///
    /// @param message what is wrong
    /// @param cause the exception that showed it
    public LabException(String message, Throwable cause) {
        super(message, cause);
    }
}
