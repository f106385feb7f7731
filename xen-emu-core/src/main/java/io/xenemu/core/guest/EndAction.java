package io.xenemu.core.guest;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/// The action after a guest's domain has stopped, in xl's words (xl.cfg(5), "EVENT ACTIONS").
///
/// xl takes `soft-reset` after every stop, although only a guest that has asked for a soft reset can go on.
public enum EndAction {
    /// The guest has ended.
    DESTROY,
    /// It boots again, as another domain.
    RESTART,
    /// The domain stays as it stopped, with its memory and its nodes in XenStore, until it is destroyed.
    PRESERVE,
    /// The domain stays, as another guest with another name, and the guest boots again.
    RENAME_RESTART,
    /// Its core is dumped, and it has ended.
    COREDUMP_DESTROY,
    /// Its core is dumped, and it boots again.
    COREDUMP_RESTART,
    /// The domain goes on in its memory. Only after SHUTDOWN_soft_reset.
    SOFT_RESET;

    /// The words for all stops, for help.
    static final String WORDS = words(false);

    /// The words for a soft reset, for help.
    static final String RESET_WORDS = words(true);

    private static String words(boolean reset) {
        return Arrays.stream(values())
                .filter(action -> reset || action != SOFT_RESET)
                .map(EndAction::word)
                .collect(Collectors.joining("|"));
    }

    /// xl's word for it.
    String word() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /// The action of a word, for a stop after which the guest cannot go on.
    ///
    /// @throws IllegalArgumentException if there is none; the message begins with the word in quotes
    static EndAction parse(String word) {
        EndAction action = parse(word, WORDS);
        if (action == SOFT_RESET) {
            throw new IllegalArgumentException(
                    "'" + word + "' is an action of on_soft_reset alone");
        }
        return action;
    }

    /// The action of a word, for a soft reset.
    ///
    /// @throws IllegalArgumentException if there is none; the message begins with the word in quotes
    static EndAction parseReset(String word) {
        return parse(word, RESET_WORDS);
    }

    private static EndAction parse(String word, String all) {
        for (EndAction action : values()) {
            if (action.word().equals(word)) {
                return action;
            }
        }
        throw new IllegalArgumentException("'" + word + "' is none of " + all.replace("|", ", "));
    }

    /// Whether the guest boots again.
    boolean restarts() {
        return this == RESTART || this == RENAME_RESTART || this == COREDUMP_RESTART;
    }

    /// Whether the domain's core is dumped first.
    boolean dumpsCore() {
        return this == COREDUMP_DESTROY || this == COREDUMP_RESTART;
    }
}
