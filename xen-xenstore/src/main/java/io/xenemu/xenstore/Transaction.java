package io.xenemu.xenstore;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.Request;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/// An open transaction: a snapshot, its own version of the tree, what it depends on, and its changes in order.
///
/// A commit installs the own version if nothing else happened meanwhile. Otherwise, if the dependencies hold, it repeats
/// the changes on the current tree. So only a conflict on a node that the transaction really used fails it, and small
/// outside writes cannot starve a large transaction.
final class Transaction {
    /// About what a change takes beside its bytes.
    private static final int CHANGE_BYTES = 64;

    /// Events of one node are one event, as in C xenstored.
    private record EventKey(Path path, boolean removed) {}

    private final int id;
    private final Dependencies dependencies;
    private final TreeEditor editor;
    private final List<Request.Change> changes = new ArrayList<>();
    private final Map<EventKey, NodeEvent> events = new LinkedHashMap<>();
    private final long started;
    private long changeBytes;
    private long accountedBytes;
    private boolean doomed;

    Transaction(int id, Node snapshot, NodeCounts counts, LongSupplier generations) {
        this.id = id;
        this.started = generations.getAsLong();
        this.dependencies = new Dependencies(snapshot);
        this.editor =
                new TreeEditor(
                        snapshot, new NodeCounts(counts), generations, this::note, dependencies);
    }

    int id() {
        return id;
    }

    TreeEditor editor() {
        return editor;
    }

    Dependencies dependencies() {
        return dependencies;
    }

    List<Request.Change> changes() {
        return changes;
    }

    /// Makes the commit of any change fail with EAGAIN, whatever it does: it was in conflict when it was saved.
    void doom() {
        doomed = true;
    }

    /// Whether a commit of any change would fail.
    boolean isInConflict(Node current, FormerDomains former) {
        return doomed || !dependencies.holdIn(current) || former.nameSomeOf(changes, started);
    }

    /// Puts what the operations so far have made of the transaction on the account of who does it. Each operation adds a
    /// few nodes at most to those that the transaction depends on, also where it finds none.
    ///
    /// @throws XenError ENOSPC or ENOMEM if that is too much for one more operation
    void account(Account account) throws XenError {
        long bytes = bytes();
        if (bytes != accountedBytes) {
            account.growTransaction(bytes - accountedBytes);
            accountedBytes = bytes;
            account.useMemory(account.memory());
        }
        account.use(Quota.TRANSACTION_NODES, 1L + Math.max(changes.size(), dependencies.size()));
    }

    private long bytes() {
        return dependencies.bytes() + changeBytes;
    }

    /// What is on the account for this transaction.
    long accountedBytes() {
        return accountedBytes;
    }

    void apply(Caller caller, Request.Change change) throws XenError {
        editor.apply(caller, change);
        keep(change);
    }

    private void keep(Request.Change change) {
        changes.add(change);
        changeBytes += CHANGE_BYTES + change.path().length();
        switch (change) {
            case Request.Write write -> changeBytes += write.value().length;
            case Request.SetPerms set ->
                    changeBytes += (long) Quota.NODE_PERMISSION * set.permissions().size();
            case Request.Mkdir _, Request.Rm _ -> {}
        }
    }

    /// Does saved changes again. One that fails, for want of quota or because the transaction was in conflict already,
    /// dooms it.
    void repeat(Caller caller, List<Request.Change> saved) {
        for (Request.Change change : saved) {
            try {
                editor.apply(caller, change);
            } catch (XenError e) {
                doom();
            }
            keep(change);
        }
    }

    private void note(NodeEvent event) {
        events.merge(
                new EventKey(event.path(), event instanceof NodeEvent.Removed),
                event,
                (first, last) ->
                        first instanceof NodeEvent.Written f && last instanceof NodeEvent.Written l
                                ? new NodeEvent.Written(l.path(), f.before(), l.after(), l.parent())
                                : last);
    }

    /// Brings the changes into `store` and hands out the events, in order.
    ///
    /// @param former domains that are gone, which a permission set before must not bring back
    /// @throws XenError EAGAIN for a conflict; ENOSPC if the changes no longer fit the caller's quota. The store is then
    ///     unchanged.
    void commit(
            Caller caller,
            TreeEditor store,
            LongSupplier generations,
            Consumer<NodeEvent> fire,
            FormerDomains former)
            throws XenError {
        if (changes.isEmpty()) {
            // Its answers were all true when it started, whatever has happened since.
            return;
        }
        if (doomed || former.nameSomeOf(changes, started)) {
            throw XenError.EAGAIN;
        }
        Transaction result = this;
        if (store.root() != dependencies.base()) {
            if (!dependencies.holdIn(store.root())) {
                throw XenError.EAGAIN;
            }
            result = new Transaction(id, store.root(), store.counts(), generations);
            for (Request.Change change : changes) {
                result.editor.apply(caller, change);
            }
        }
        store.setRoot(result.editor.root());
        result.editor.counts().mergeDown();
        result.events.values().forEach(fire);
    }
}
