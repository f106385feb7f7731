package io.xenemu.core.replay;

/// A trace cannot be replayed. The message is one line for an operator.
public final class ReplayException extends Exception {
    private static final long serialVersionUID = 1;

    ReplayException(String message) {
        super(message);
    }

    ReplayException(String message, Throwable cause) {
        super(message, cause);
    }
}
