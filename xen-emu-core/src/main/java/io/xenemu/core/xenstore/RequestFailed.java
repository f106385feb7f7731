package io.xenemu.core.xenstore;

/// The daemon has answered with an error.
public final class RequestFailed extends Exception {
    private static final long serialVersionUID = 1L;

    private final String error;

    RequestFailed(String error) {
        super(error, null, false, false);
        this.error = error;
    }

    /// Whether the error has this name, such as `ENOENT`.
    boolean is(String name) {
        return error.equals(name);
    }
}
