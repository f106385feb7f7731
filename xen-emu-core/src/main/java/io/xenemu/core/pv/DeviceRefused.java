package io.xenemu.core.pv;

/// What cannot be done with a device; the reason is for the operator.
public final class DeviceRefused extends Exception {
    private static final long serialVersionUID = 1;

    private final String reason;

    /// @param reason one line
    public DeviceRefused(String reason) {
        super(reason, null, false, false);
        this.reason = reason;
    }

    /// One line.
    public String reason() {
        return reason;
    }
}
