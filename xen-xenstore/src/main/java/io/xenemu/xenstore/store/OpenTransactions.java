package io.xenemu.xenstore.store;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.quota.Account;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.state.XenStoreState;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/// The open transactions of all sessions. A guest's transactions count on its domain's account. The earlier versions
/// of the tree that all guests' transactions keep are limited here, since a version grows by what others change, not
/// its owner.
final class OpenTransactions {
    private final TreeEditor store;
    private final FormerDomains former;
    private final LongSupplier generations;
    private final Consumer<NodeEvent> fire;
    private final CommitTurns turns;
    private final Set<Transaction> guests = new LinkedHashSet<>();
    private int count;

    /// The store's replaced-bytes counter at the start of the oldest guest transaction that may still have its
    /// version.
    private long pinnedSince;

    /// @param store the editor that transactions are committed to
    /// @param fire receives the events of a commit
    OpenTransactions(
            TreeEditor store,
            FormerDomains former,
            LongSupplier generations,
            CommitTurns turns,
            Consumer<NodeEvent> fire) {
        this.store = store;
        this.former = former;
        this.generations = generations;
        this.turns = turns;
        this.fire = fire;
    }

    int count() {
        return count;
    }

    int start(Session session, int inTransaction) throws XenError {
        if (inTransaction != 0) {
            find(session, inTransaction);
            throw XenError.EBUSY;
        }
        Account account = session.caller().account();
        if (account != null) {
            account.use(Quota.TRANSACTIONS, account.transactions() + 1L);
            account.useMemory(account.memory() + Transaction.BASE_BYTES);
        }
        int id = session.nextTransactionId();
        turns.began(session, add(session, id));
        return id;
    }

    private Transaction add(Session session, int id) {
        Account account = session.account();
        Transaction transaction =
                new Transaction(
                        id,
                        store,
                        generations,
                        session.caller().isPrivileged() ? _ -> {} : account::growTransactions);
        session.transactions().put(id, transaction);
        account.addTransaction();
        count++;
        if (!session.caller().isPrivileged()) {
            if (guests.isEmpty()) {
                pinnedSince = store.replacedBytes();
            }
            guests.add(transaction);
        }
        return transaction;
    }

    private static Transaction find(Session session, int id) throws XenError {
        Transaction transaction = session.transaction(id);
        if (transaction == null) {
            throw XenError.ENOENT;
        }
        return transaction;
    }

    /// A transaction that may perform another operation.
    ///
    /// @throws XenError ENOENT no such transaction; ENOSPC or ENOMEM the transaction or its domain has reached a
    ///     limit
    Transaction usable(Session session, int id) throws XenError {
        Transaction transaction = find(session, id);
        Account account = session.caller().account();
        if (account != null) {
            transaction.check(account);
        }
        if (turns.has(transaction)) {
            transaction.follow(store);
        }
        return transaction;
    }

    /// The version of the tree that a transaction sees.
    TreeEditor editor(Session session, int id) throws XenError {
        return usable(session, id).editor(session.caller(), store);
    }

    /// Ends a transaction, with or without success.
    void end(Session session, int id, boolean commit) throws XenError {
        Transaction transaction = find(session, id);
        session.transactions().remove(id);
        remove(session, transaction);
        boolean failed = false;
        try {
            if (commit) {
                transaction.commit(
                        session.caller(),
                        store,
                        version -> turns.allow(session, store, version),
                        fire,
                        former);
                boundVersions();
            }
        } catch (XenError e) {
            failed = e == XenError.EAGAIN;
            throw e;
        } finally {
            turns.ended(session, transaction, failed);
        }
    }

    private void remove(Session session, Transaction transaction) {
        transaction.giveBack();
        session.account().removeTransaction();
        guests.remove(transaction);
        count--;
    }

    /// Ends all transactions of a session without a commit.
    void drop(Session session) {
        session.transactions().values().forEach(transaction -> remove(session, transaction));
        session.transactions().clear();
        turns.forget(session);
    }

    /// About the bytes of replaced nodes kept for guests' transactions.
    long pinnedBytes() {
        return guests.isEmpty() ? 0 : store.replacedBytes() - pinnedSince;
    }

    /// Enforces [Quota#PINNED_BYTES]. Call it after changes of the store.
    void boundVersions() {
        if (pinnedBytes() > Quota.PINNED_BYTES) {
            pinnedSince = store.replacedBytes();
            guests.forEach(Transaction::letGo);
        }
    }

    /// Lets a session's transactions go on in the store as it is now, before they are saved.
    void settle(Session session) {
        session.transactions()
                .values()
                .forEach(transaction -> transaction.settle(session.caller(), store, former));
    }

    void restore(Session session, XenStoreState.TransactionState saved) {
        Transaction transaction = add(session, saved.id());
        saved.changes().forEach(former::set);
        transaction.restore(session.caller(), store, saved);
        if (saved.doomed()) {
            transaction.doom();
        }
    }
}
