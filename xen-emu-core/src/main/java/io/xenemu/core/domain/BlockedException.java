package io.xenemu.core.domain;

import java.util.List;

/// Thrown if a guest cannot be saved. The guest goes on as before.
public final class BlockedException extends Exception {
    private static final long serialVersionUID = 1;

    /// @param reasons from [Parts#blockers]; not empty
    BlockedException(List<String> reasons) {
        super(String.join("; ", reasons));
    }

    /// The reasons in one line for an operator, each with the part's name.
    @Override
    public String getMessage() {
        return String.valueOf(super.getMessage());
    }
}
