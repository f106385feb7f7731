package io.xenemu.core.web;

/// Thrown for a request that gets no answer other than an error of HTTP.
final class WebRefused extends Exception {
    private static final long serialVersionUID = 1L;

    private final int status;

    /// @param status of HTTP
    /// @param reason one line for a person
    WebRefused(int status, String reason) {
        super(reason, null, false, false);
        this.status = status;
    }

    int status() {
        return status;
    }

    /// The reason, which is never null.
    String reason() {
        return String.valueOf(getMessage());
    }
}
