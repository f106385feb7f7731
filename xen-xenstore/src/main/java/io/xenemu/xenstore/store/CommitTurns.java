package io.xenemu.xenstore.store;

import java.util.LinkedHashSet;
import java.util.Set;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Gives turns to clients whose commits failed repeatedly because others were faster. One client at a time has the
/// turn: its transaction follows the store as long as what it has read stays true. Another client's commit that would
/// break that fails with EAGAIN. Without turns, one of 16 clients that add to one node made no commit in 369 tries.
///
/// A turn is short, and the client that has waited longest gets it. A guest's turns delay others only for a limited
/// time. Other guests wait for at most a tenth of the time for one guest, and half the time for all guests; domain 0
/// never waits. Requests outside of transactions are never delayed.
public final class CommitTurns {
    /// Failed commits in a row after which a client waits for a turn. Few clients that conflict only by chance fail
    /// as often.
    public static final int FAILURES = 4;

    /// The longest turn, in nanoseconds: enough for the requests of a slow guest (oxenstored looks at conflicts of
    /// the last 50 ms). A client that has not tried for this time does not wait any more.
    public static final long TURN_NANOS = 100_000_000;

    /// After a turn, a guest gets none for this many times the turn's length.
    static final int GUEST_REST = 9;

    private final LongSupplier clock;
    private final Set<Session> waiting = new LinkedHashSet<>();
    private @Nullable Transaction turn;
    private @Nullable Session holder;
    private long since;
    private long guestsRestUntil;

    /// @param clock nanoseconds, as `System.nanoTime()`
    CommitTurns(LongSupplier clock) {
        this.clock = clock;
        this.guestsRestUntil = clock.getAsLong();
    }

    /// Notes that a client has begun a transaction, which may get the turn.
    void began(Session session, Transaction transaction) {
        if (session.failures() < FAILURES) {
            return;
        }
        long now = clock.getAsLong();
        expire(now);
        if (isResting(session, now)) {
            waiting.remove(session);
            return;
        }
        waiting.add(session);
        waiting.removeIf(other -> other != session && now - other.failedAt() >= TURN_NANOS);
        if (turn == null && waiting.iterator().next() == session) {
            waiting.remove(session);
            turn = transaction;
            holder = session;
            since = now;
        }
    }

    private boolean isResting(Session session, long now) {
        return !session.caller().isPrivileged()
                && (now - guestsRestUntil < 0 || session.account().isResting(now));
    }

    /// Whether a transaction has the turn now.
    boolean has(Transaction transaction) {
        if (turn == null) {
            return false;
        }
        expire(clock.getAsLong());
        return turn == transaction;
    }

    /// Whether a client may replace the store by a version: false if another client has the turn and has read
    /// something that the version changes.
    boolean allow(Session session, TreeEditor store, TreeEditor version) {
        if (turn == null) {
            return true;
        }
        expire(clock.getAsLong());
        Transaction first = turn;
        Session other = holder;
        if (first == null || other == null || other == session) {
            return true;
        }
        boolean binds = other.caller().isPrivileged() || !session.caller().isPrivileged();
        return !binds || !first.holdsIn(store) || first.holdsIn(version);
    }

    /// Notes that a transaction has ended.
    ///
    /// @param failed whether it was a commit that failed and will be tried again
    void ended(Session session, Transaction transaction, boolean failed) {
        long now = clock.getAsLong();
        session.ended(failed, now);
        if (turn == transaction) {
            end(now);
        }
    }

    /// Notes that a client is gone, or has given up all of its transactions.
    void forget(Session session) {
        waiting.remove(session);
        if (holder == session) {
            end(clock.getAsLong());
        }
    }

    private void expire(long now) {
        if (turn != null && now - since >= TURN_NANOS) {
            end(now);
        }
    }

    private void end(long now) {
        Session before = holder;
        if (before != null && !before.caller().isPrivileged()) {
            long held = Math.min(now - since, TURN_NANOS);
            guestsRestUntil = now + held;
            before.account().restUntil(now + GUEST_REST * held);
        }
        turn = null;
        holder = null;
    }
}
