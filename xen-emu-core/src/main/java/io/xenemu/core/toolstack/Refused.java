package io.xenemu.core.toolstack;

/// A request is refused. The reason is for the operator.
public final class Refused extends Exception {
    private static final long serialVersionUID = 1;

    private final String reason;

    /// @param reason one line
    public Refused(String reason) {
        super(reason, null, false, false);
        this.reason = reason;
    }

    /// The reason, one line.
    public String reason() {
        return reason;
    }
}
