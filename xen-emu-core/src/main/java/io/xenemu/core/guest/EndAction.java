package io.xenemu.core.guest;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/// The action after a guest's domain has stopped, in xl's words (xl.cfg(5), "EVENT ACTIONS").
///
/// xl has two more words, which are refused. `rename-restart` would need a second name for one guest, and `soft-reset`
/// a domain that starts anew in its own memory.
public enum EndAction {
    /// The guest has ended.
    DESTROY,
    /// It boots again, as another domain.
    RESTART,
    /// The domain stays as it stopped, with its memory and its nodes in XenStore, until it is destroyed.
    PRESERVE,
    /// Its core is dumped, and it has ended.
    COREDUMP_DESTROY,
    /// Its core is dumped, and it boots again.
    COREDUMP_RESTART;

    private static final String RENAME_RESTART = "rename-restart";
    private static final String SOFT_RESET = "soft-reset";

    /// All words, for help.
    static final String WORDS =
            Arrays.stream(values()).map(EndAction::word).collect(Collectors.joining("|"));

    /// xl's word for it.
    String word() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /// The action of a word.
    ///
    /// @throws IllegalArgumentException if there is none; the message begins with the word in quotes
    static EndAction parse(String word) {
        for (EndAction action : values()) {
            if (action.word().equals(word)) {
                return action;
            }
        }
        String reason =
                switch (word) {
                    case RENAME_RESTART -> "' is not served: a guest has one name here";
                    case SOFT_RESET -> "' is not served yet";
                    default -> "' is none of " + WORDS.replace("|", ", ");
                };
        throw new IllegalArgumentException("'" + word + reason);
    }

    /// Whether the guest boots again.
    boolean restarts() {
        return this == RESTART || this == COREDUMP_RESTART;
    }

    /// Whether the domain's core is dumped first.
    boolean dumpsCore() {
        return this == COREDUMP_DESTROY || this == COREDUMP_RESTART;
    }
}
