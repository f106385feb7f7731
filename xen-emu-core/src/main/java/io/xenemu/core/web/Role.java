package io.xenemu.core.web;

import java.util.Locale;

/// What somebody who looks at the page may do.
public enum Role {
    /// Look.
    READER,
    /// Look, and command guests.
    OPERATOR;

    /// The word for it in the file of tokens and on the page.
    String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
