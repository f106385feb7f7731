package io.xenemu.xenstore.persist;

import java.io.IOException;
import java.nio.file.Path;

/// The file cannot be used: it is in use, damaged, or not a store's. The message is one line for an operator.
public final class PersistException extends IOException {
    private static final long serialVersionUID = 1L;

    PersistException(Path file, String reason) {
        super(file + ": " + reason);
    }

    PersistException(Path file, String reason, Throwable cause) {
        super(file + ": " + reason, cause);
    }
}
