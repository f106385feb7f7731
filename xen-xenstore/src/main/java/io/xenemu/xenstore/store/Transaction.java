package io.xenemu.xenstore.store;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.quota.Account;
import io.xenemu.xenstore.quota.NodeCounts;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.Request;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// An open transaction: a snapshot, its own version of the tree, its dependencies, and its changes in order.
///
/// A commit installs the own version if the store has not changed since. Otherwise, if the dependencies hold, it
/// repeats the changes on the current tree. So only a conflict on a node that the transaction really used makes it
/// fail, and small outside writes cannot starve a large transaction.
///
/// A transaction can let go of both versions and go on in a newer tree, as if it had begun there. This is right if the
/// dependencies hold in that tree: then its answers are true there too. If they do not, it is doomed.
final class Transaction {
    /// About the bytes of a transaction before its first operation.
    static final int BASE_BYTES = 1024;

    /// About the bytes of a change with its event, without path and value.
    private static final int CHANGE_BYTES = 192;

    /// Events of one node are merged, as in C xenstored.
    private record EventKey(Path path, boolean removed) {}

    private final int id;
    private final LongSupplier generations;
    private final LongConsumer growth;
    private final Dependencies dependencies;
    private final List<Request.Change> changes = new ArrayList<>();
    private final Map<EventKey, NodeEvent> events = new LinkedHashMap<>();
    private final long started;
    private @Nullable TreeEditor editor;
    private long bytes;
    private boolean doomed;
    private boolean otherRights;
    // Whether its answers come from two different trees.
    private boolean mixed;

    /// @param store at its current version, which the transaction sees
    /// @param growth receives the bytes by which the transaction grows
    Transaction(int id, TreeEditor store, LongSupplier generations, LongConsumer growth) {
        this.id = id;
        this.generations = generations;
        this.growth = growth;
        this.started = generations.getAsLong();
        this.dependencies = new Dependencies(store, this::grow);
        this.editor = ownVersion(store);
        grow(BASE_BYTES);
    }

    private TreeEditor ownVersion(TreeEditor store) {
        return new TreeEditor(
                store.root(),
                store.special(),
                new NodeCounts(store.counts()),
                generations,
                this::note,
                dependencies);
    }

    private void grow(long more) {
        bytes += more;
        growth.accept(more);
    }

    /// Returns its bytes to the account: it has ended.
    void giveBack() {
        grow(-bytes);
    }

    int id() {
        return id;
    }

    List<Request.Change> changes() {
        return changes;
    }

    /// The dependencies, for saved state.
    Map<Path, Integer> dependencies() {
        return dependencies.aspects();
    }

    /// Marks a transaction that was in conflict when it went on in another tree. Its commit fails with EAGAIN if it has
    /// changed something or gives any more answers.
    void doom() {
        doomed = true;
    }

    /// Notes that the client's rights have changed. The commit then fails with EAGAIN if it changes anything, since
    /// earlier answers may depend on the old rights.
    void rightsHaveChanged() {
        otherRights = true;
    }

    /// Whether a commit of any change would fail, or saved state cannot express whether it would.
    boolean isInConflict(TreeEditor store, FormerDomains former) {
        return doomed
                || otherRights
                || dependencies.areOnAll()
                || !dependencies.holdIn(store)
                || former.nameSomeOf(changes, started);
    }

    /// Goes on in the store as it is now, as a saved transaction does when it is restored: so both answer the same
    /// from then on. If it is in conflict, a commit of any change will fail.
    void settle(Caller caller, TreeEditor store, FormerDomains former) {
        boolean conflict = isInConflict(store, former);
        Map<Path, Integer> aspects = dependencies.aspects();
        letGo();
        dependencies.rebase(store);
        TreeEditor own = ownVersion(store);
        editor = own;
        repeat(caller, own, changes);
        dependencies.restore(aspects);
        doomed |= conflict;
    }

    /// Whether a commit of any change would fail. Known after [#settle].
    boolean isDoomed() {
        return doomed;
    }

    /// Checks that the client may do one more operation. Each operation adds at most a few nodes to the dependencies,
    /// existing or not.
    ///
    /// @throws XenError ENOSPC or ENOMEM if it may not
    void check(Account account) throws XenError {
        account.useMemory(account.memory());
        account.use(Quota.TRANSACTION_NODES, 1L + Math.max(changes.size(), dependencies.size()));
    }

    /// The transaction's own version of the tree.
    ///
    /// @param store the store to go on in, if the transaction has let go of its version
    TreeEditor editor(Caller caller, TreeEditor store) {
        TreeEditor own = editor;
        if (own == null) {
            doomed |= !dependencies.holdIn(store);
            dependencies.rebase(store);
            own = ownVersion(store);
            editor = own;
            repeat(caller, own, changes);
        }
        mixed |= doomed;
        return own;
    }

    /// Whether its dependencies hold in a version of the store.
    boolean holdsIn(TreeEditor version) {
        return !doomed && dependencies.holdIn(version);
    }

    /// Goes on in the store as it is now, if the answers so far are true there.
    void follow(TreeEditor store) {
        if (!dependencies.isBase(store) && holdsIn(store)) {
            letGo();
        }
    }

    /// Drops the tree of its start and its own version, and keeps only what it needs to go on.
    void letGo() {
        editor = null;
        events.clear();
        dependencies.letGo();
    }

    void apply(Caller caller, TreeEditor store, Request.Change change) throws XenError {
        TreeEditor own = editor(caller, store);
        long cost = cost(change);
        try {
            Account account = caller.account();
            if (account != null) {
                account.useMemory(account.memory() + cost);
            }
            own.apply(caller, change);
        } catch (XenError e) {
            if (isQuota(e)) {
                dependencies.all();
            }
            throw e;
        }
        changes.add(change);
        grow(cost);
    }

    /// Whether a change's error is a quota's.
    private static boolean isQuota(XenError error) {
        return error == XenError.ENOSPC || error == XenError.ENOMEM;
    }

    /// About the bytes of one more change: the change itself, and the nodes that it gets its own version of. Nodes
    /// shared with the previous change were counted there.
    private long cost(Request.Change change) {
        Path path = change.path();
        int shared = changes.isEmpty() ? 0 : path.commonDepth(changes.getLast().path());
        long cost = (long) CHANGE_BYTES + path.bytes();
        cost += (long) Node.VERSION_BYTES * (path.depth() - shared);
        return switch (change) {
            case Request.Write write -> cost + write.value().length;
            case Request.SetPerms set ->
                    cost + (long) Quota.NODE_PERMISSION * set.permissions().size();
            case Request.Mkdir _, Request.Rm _ -> cost;
        };
    }

    /// Continues a saved transaction.
    void restore(Caller caller, TreeEditor store, XenStoreState.TransactionState saved) {
        repeat(caller, editor(caller, store), saved.changes());
        for (Request.Change change : saved.changes()) {
            grow(cost(change));
            changes.add(change);
        }
        dependencies.restore(saved.dependencies());
    }

    /// Repeats changes. If one fails, because of a quota or since the transaction was in conflict already, it is
    /// doomed.
    private void repeat(Caller caller, TreeEditor own, List<Request.Change> done) {
        for (Request.Change change : done) {
            try {
                own.apply(caller, change);
            } catch (XenError e) {
                doom();
            }
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

    /// Applies the changes to `store` and passes on the events, in order.
    ///
    /// @param allowed whether the resulting version may replace the store now
    /// @param former domains that are gone, which a permission set earlier must not bring back
    /// @throws XenError EAGAIN a conflict; ENOSPC or ENOMEM the changes no longer fit the caller's quota, so that a
    ///     retry would fail too; ENOSPC the store's file has no room. The store is then unchanged.
    void commit(
            Caller caller,
            TreeEditor store,
            Predicate<TreeEditor> allowed,
            Consumer<NodeEvent> fire,
            FormerDomains former)
            throws XenError {
        if (changes.isEmpty() && !mixed) {
            // All its answers were true when it started, whatever has happened since.
            return;
        }
        if (doomed || otherRights || former.nameSomeOf(changes, started)) {
            throw XenError.EAGAIN;
        }
        TreeEditor result = editor;
        Map<EventKey, NodeEvent> fired = events;
        if (result == null || !dependencies.isBase(store)) {
            if (!dependencies.holdIn(store)) {
                throw XenError.EAGAIN;
            }
            Transaction again = new Transaction(id, store, generations, _ -> {});
            result = again.editor(caller, store);
            fired = again.events;
            for (Request.Change change : changes) {
                applyAgain(caller, result, change);
            }
        }
        if (!allowed.test(result)) {
            throw XenError.EAGAIN;
        }
        store.keep(result.recordBytes());
        store.take(result);
        fired.values().forEach(fire);
    }

    /// Repeats a change, for the commit, that was answered OK before. An error other than a quota's is a conflict
    /// with another client's later change, so the client is told to retry.
    private static void applyAgain(Caller caller, TreeEditor result, Request.Change change)
            throws XenError {
        try {
            result.apply(caller, change);
        } catch (XenError e) {
            throw isQuota(e) ? e : XenError.EAGAIN;
        }
    }
}
