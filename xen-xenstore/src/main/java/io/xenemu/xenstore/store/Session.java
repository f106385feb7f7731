package io.xenemu.xenstore.store;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.quota.Account;
import io.xenemu.xenstore.tree.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The store's state of one connected client, whatever its transport. Guarded by the store's lock.
public final class Session {
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

    /// On whose behalf its requests are handled.
    public Caller caller() {
        return caller;
    }

    /// The account of the client's domain.
    public Account account() {
        return account;
    }

    /// Lets the client act for another domain as well. Open transactions get into conflict, since their answers were
    /// given with the old rights.
    public void target(DomId target) {
        if (!caller.target().equals(target)) {
            transactions.values().forEach(Transaction::rightsHaveChanged);
        }
        caller = caller.targeting(target);
    }

    Outlet outlet() {
        return outlet;
    }

    /// `/local/domain/<id>`, where its relative paths start.
    public Path home() {
        return home;
    }

    /// The registered watches, in order of registration.
    public Map<Watch.Key, Watch> watches() {
        return watches;
    }

    /// The open transactions by id.
    public Map<Integer, Transaction> transactions() {
        return transactions;
    }

    /// The open transaction of that id; null if there is none.
    public @Nullable Transaction transaction(int id) {
        return transactions.get(id);
    }

    /// An id that is not 0 and not in use.
    int nextTransactionId() {
        do {
            lastTransaction++;
        } while (lastTransaction == 0 || transactions.containsKey(lastTransaction));
        return lastTransaction;
    }

    /// Commits in a row that failed because of others' changes.
    int failures() {
        return failures;
    }

    /// The time of the last failure, in nanoseconds as in [CommitTurns].
    long failedAt() {
        return failedAt;
    }

    /// Notes that a transaction ended, and whether its commit failed.
    void ended(boolean failed, long now) {
        failures = failed ? failures + 1 : 0;
        failedAt = failed ? now : failedAt;
    }

    /// Makes the server flush the outlet before the lock is released.
    public void changed() {
        if (!changed) {
            changed = true;
            changedSessions.add(this);
        }
    }

    /// Lock held.
    ///
    /// @return the action for [#notifyReader] after the lock is released; null for none
    public @Nullable Runnable flush() {
        changed = false;
        try {
            return outlet.flush();
        } catch (RuntimeException | Error e) {
            return () -> outlet.failed(e);
        }
    }

    /// Runs the result of [#flush] for this session's client. A failure does not reach the thread that happens to run
    /// it.
    public void notifyReader(Runnable action) {
        try {
            action.run();
        } catch (RuntimeException | Error e) {
            outlet.failed(e);
        }
    }
}
