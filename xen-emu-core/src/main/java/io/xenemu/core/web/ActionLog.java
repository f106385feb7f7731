package io.xenemu.core.web;

import io.xenemu.core.json.Json;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.List;

/// The last commands given by the page, and the last events of guests, the newest first.
final class ActionLog {
    /// The most rows that are kept.
    static final int MAX = 100;

    // Guarded by itself.
    private final ArrayDeque<Json.Obj> rows = new ArrayDeque<>();

    /// Adds one.
    ///
    /// @param who has done it
    /// @param what happened, a line
    /// @param guest its name
    void add(Instant time, String who, String what, String guest) {
        Json.Obj row =
                Json.EMPTY
                        .with("time", time.toEpochMilli())
                        .with("who", who)
                        .with("what", what)
                        .with("guest", guest);
        synchronized (rows) {
            rows.addFirst(row);
            if (rows.size() > MAX) {
                rows.removeLast();
            }
        }
    }

    Json.Array rows() {
        synchronized (rows) {
            return new Json.Array(List.copyOf(rows));
        }
    }
}
