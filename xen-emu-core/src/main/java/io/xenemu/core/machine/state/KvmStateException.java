package io.xenemu.core.machine.state;

import java.io.Serial;

/// This host's KVM cannot have a saved state. The message is one line for an operator, and names what is refused.
public final class KvmStateException extends Exception {
    @Serial private static final long serialVersionUID = 1L;

    KvmStateException(String message, Throwable cause) {
        super(message, cause);
    }
}
