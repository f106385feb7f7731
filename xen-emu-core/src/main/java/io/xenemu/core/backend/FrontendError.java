package io.xenemu.core.backend;

import io.xenemu.kvm.abi.XenError;

/// A front end cannot be connected to, by its guest's own fault. The text goes into the device's error node and the
/// log, for the operator. It names nodes and has numbers, and never quotes the guest's text.
@SuppressWarnings("serial")
public final class FrontendError extends Exception {
    private final XenError error;
    private final String text;

    /// @param text one line
    public FrontendError(XenError error, String text) {
        super(text, null, false, false);
        this.error = error;
        this.text = text;
    }

    /// The error's number.
    public XenError error() {
        return error;
    }

    /// The value of the error node, as Linux's back ends write it: the number and the text.
    String node() {
        return error.number() + " " + text;
    }

    /// One line for the log.
    String line() {
        return error.symbol() + ": " + text;
    }
}
