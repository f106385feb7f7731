package io.xenemu.core.control;

/// A text is not JSON as the control protocol has it.
final class JsonException extends Exception {
    private static final long serialVersionUID = 1;

    /// @param at where in the text, from 0
    JsonException(String reason, int at) {
        super(reason + " at character " + at, null, false, false);
    }
}
