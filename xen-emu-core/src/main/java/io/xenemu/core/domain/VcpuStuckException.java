package io.xenemu.core.domain;

/// A vCPU has not parked in time: its thread is in a call to the host that does not return, or in a loop of ours. The
/// message is one line for an operator. Neither the guest nor the caller is to blame.
public final class VcpuStuckException extends RuntimeException {
    private static final long serialVersionUID = 1;

    VcpuStuckException(String message) {
        super(message);
    }
}
