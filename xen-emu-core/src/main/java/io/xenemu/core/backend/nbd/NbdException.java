package io.xenemu.core.backend.nbd;

import java.io.IOException;
import java.io.Serial;

/// An NBD server, or the address of one, that cannot be used. The message is one line for an operator.
public final class NbdException extends IOException {
    @Serial private static final long serialVersionUID = 1L;

    private final String line;
    private final boolean isFinal;

    /// @param isFinal whether another attempt is of no use
    NbdException(String message, boolean isFinal) {
        super(message);
        this.line = message;
        this.isFinal = isFinal;
    }

    /// A failure after which another attempt may succeed.
    NbdException(String message) {
        this(message, false);
    }

    /// The line.
    @Override
    public String getMessage() {
        return line;
    }

    /// Whether another attempt is of no use.
    boolean isFinal() {
        return isFinal;
    }
}
