package io.xenemu.core.json;

/// Thrown for a text that is not the control protocol's JSON.
public final class JsonException extends Exception {
    private static final long serialVersionUID = 1;

    /// @param at where in the text, from 0
    JsonException(String reason, int at) {
        super(reason + " at character " + at, null, false, false);
    }
}
