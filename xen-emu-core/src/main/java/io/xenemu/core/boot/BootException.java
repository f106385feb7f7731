package io.xenemu.core.boot;

/// The user's files or settings cannot be booted: a file that is not a kernel, too little memory, too long a command
/// line. The message is one line for the user that names the file; a retry does not help.
public final class BootException extends Exception {
    private static final long serialVersionUID = 1L;

    private final String message;

    public BootException(String message) {
        super(message);
        this.message = message;
    }

    public BootException(String message, Throwable cause) {
        super(message, cause);
        this.message = message;
    }

    /// The line for the user.
    @Override
    public String getMessage() {
        return message;
    }
}
