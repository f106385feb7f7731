package io.xenemu.core.cpuid;

/// No guest can have this processor: policies do not go together, or this host lacks something. The message is one line
/// for an operator.
public final class CannotOfferException extends Exception {
    private static final long serialVersionUID = 1L;

    private final String message;

    public CannotOfferException(String message) {
        super(message, null, false, false);
        this.message = message;
    }

    @Override
    public String getMessage() {
        return message;
    }
}
