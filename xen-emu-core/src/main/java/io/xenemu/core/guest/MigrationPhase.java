package io.xenemu.core.guest;

import java.util.Locale;

/// The phases of a migration, in their order, on both sides. [MigrationSource] and [MigrationTarget] have one method
/// for each of theirs.
public enum MigrationPhase {
    /// The destination is asked whether it can take the guest.
    COMPATIBLE,
    /// Memory is sent while the guest runs.
    ROUNDS,
    /// The guest stands still; the last pages and its state are sent, and loaded at the destination.
    LAST_PAGES,
    /// The destination has everything, and waits for the decision.
    READY,
    /// The source has decided: it does not run the guest again by itself.
    DECIDED,
    /// The destination runs the guest, and gets its pages.
    POST_COPY,
    /// As before, and the connection was lost: the guest waits where a page is missing, until an operator lets the
    /// source connect again.
    PAUSED,
    /// The connection was lost, and this side cannot know what the other one does: an operator decides.
    UNDECIDED,
    /// It is done: the destination runs the guest.
    DONE,
    /// It has failed, or was cancelled, and the source has the guest.
    FAILED;

    /// The word for an operator.
    public String word() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /// Whether the source can still take the guest back by itself.
    boolean isCancellable() {
        return switch (this) {
            case COMPATIBLE, ROUNDS, LAST_PAGES, READY -> true;
            case DECIDED, POST_COPY, PAUSED, UNDECIDED, DONE, FAILED -> false;
        };
    }

    /// Whether an operator can decide.
    boolean isOpen() {
        return this == UNDECIDED || this == PAUSED;
    }

    /// Whether nothing follows.
    boolean isOver() {
        return this == DONE || this == FAILED;
    }
}
