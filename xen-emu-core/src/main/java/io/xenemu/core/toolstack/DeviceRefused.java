package io.xenemu.core.toolstack;

/// An operation on a device is not possible; the reason is for the operator.
public final class DeviceRefused extends Exception {
    private static final long serialVersionUID = 1;

    private final String reason;

    /// @param reason one line
    public DeviceRefused(String reason) {
        super(reason, null, false, false);
        this.reason = reason;
    }

    /// The reason, one line.
    public String reason() {
        return reason;
    }
}
