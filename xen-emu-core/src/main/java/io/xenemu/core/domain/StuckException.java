package io.xenemu.core.domain;

/// Thrown if a vCPU or another thread of a domain has not stopped in time. It is in a call to the host that does not
/// return, or in a loop of ours. The message is one line for an operator. Neither the guest nor the caller is to blame.
public final class StuckException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /// @param message one line for an operator
    public StuckException(String message) {
        super(message);
    }
}
