package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.tree.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What the store knows of one connected client, whatever it is connected by. Guarded by the store's lock.
final class Session {
    private final Account account;
    private final Outlet outlet;
    private final List<Session> changedSessions;
    private final Path home;
    private final Map<Watch.Key, Watch> watches = new LinkedHashMap<>();
    private final Map<Integer, Transaction> transactions = new HashMap<>();
    private Caller caller;
    private int lastTransaction;
    private int failures;
    private long failedAt;
    private boolean changed;

    Session(Account account, Outlet outlet, List<Session> changedSessions) {
        this.account = account;
        this.caller = Caller.of(account);
        this.outlet = outlet;
        this.changedSessions = changedSessions;
        this.home = Path.ofDomain(account.domain());
    }

    Caller caller() {
        return caller;
    }

    /// That of its domain.
    Account account() {
        return account;
    }

    /// Lets it act for another domain as well from now on. What open transactions have been told by the rights of before
    /// is in conflict with that.
    void target(DomId target) {
        if (!caller.target().equals(target)) {
            transactions.values().forEach(Transaction::rightsHaveChanged);
        }
        caller = caller.targeting(target);
    }

    Outlet outlet() {
        return outlet;
    }

    /// `/local/domain/<id>`, where its relative paths start.
    Path home() {
        return home;
    }

    Map<Watch.Key, Watch> watches() {
        return watches;
    }

    Map<Integer, Transaction> transactions() {
        return transactions;
    }

    @Nullable Transaction transaction(int id) {
        return transactions.get(id);
    }

    /// An id that is not 0 and not in use.
    int nextTransactionId() {
        do {
            lastTransaction++;
        } while (lastTransaction == 0 || transactions.containsKey(lastTransaction));
        return lastTransaction;
    }

    /// Commits in a row that others' changes have made fail.
    int failures() {
        return failures;
    }

    /// When the last one failed, in the nanoseconds of [CommitTurns].
    long failedAt() {
        return failedAt;
    }

    /// A commit has failed, or has not.
    void ended(boolean failed, long now) {
        failures = failed ? failures + 1 : 0;
        failedAt = failed ? now : failedAt;
    }

    /// Has the outlet flushed before the lock is released.
    void changed() {
        if (!changed) {
            changed = true;
            changedSessions.add(this);
        }
    }

    /// Lock held.
    ///
    /// @return for [#notifyReader] after the lock is released; null for nothing
    @Nullable Runnable flush() {
        changed = false;
        try {
            return outlet.flush();
        } catch (RuntimeException | Error e) {
            return () -> outlet.failed(e);
        }
    }

    /// Does what [#flush] returned, for the one whose session this is: a failure does not reach who happens to do it.
    void notifyReader(Runnable action) {
        try {
            action.run();
        } catch (RuntimeException | Error e) {
            outlet.failed(e);
        }
    }
}
