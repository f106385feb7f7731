package io.xenemu.xenstore;

import java.util.LinkedHashSet;
import java.util.Set;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Lets clients through whose commits have failed again and again because others were faster. One at a time has the turn:
/// its transaction follows the store as long as what it has seen holds, and a commit of another client that would break
/// that is told EAGAIN in its place. Without it, one of 16 clients that add to one node had no commit in 369 tries.
///
/// A turn is short, and the one who has waited longest gets it. What a guest can hold up with turns is bounded: other guests
/// a tenth of the time by one of them and half the time by all of them, domain 0 never. Requests outside of transactions
/// are never held up.
final class CommitTurns {
    /// Commits of a client that have failed in a row before it waits for a turn: few clients that meet by chance fail as
    /// often.
    static final int FAILURES = 4;

    /// The longest turn, in nanoseconds: enough for the requests of a slow guest (oxenstored looks at conflicts of the last
    /// 50 ms). Who has not tried for as long does not wait any more.
    static final long TURN_NANOS = 100_000_000;

    /// After its turn a guest has none for so many times as long.
    static final int GUEST_REST = 9;

    private final LongSupplier clock;
    private final Set<Session> waiting = new LinkedHashSet<>();
    private @Nullable Transaction turn;
    private @Nullable Session holder;
    private long since;
    private long guestsRestUntil;

    /// @param clock in nanoseconds, as `System.nanoTime()`
    CommitTurns(LongSupplier clock) {
        this.clock = clock;
        this.guestsRestUntil = clock.getAsLong();
    }

    /// A client has begun a transaction, which may get the turn.
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

    /// Whether a client may put a version in the store's place, or it is another's turn, who has seen what that changes.
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

    /// A transaction has been ended.
    ///
    /// @param failed whether that was a commit which is to be tried again
    void ended(Session session, Transaction transaction, boolean failed) {
        long now = clock.getAsLong();
        session.ended(failed, now);
        if (turn == transaction) {
            end(now);
        }
    }

    /// A client is gone, or has given up all of its transactions.
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
