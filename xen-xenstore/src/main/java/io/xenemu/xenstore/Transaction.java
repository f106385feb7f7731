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
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// An open transaction: a snapshot, its own version of the tree, what it depends on, and its changes in order.
///
/// A commit installs the own version if nothing else happened meanwhile. Otherwise, if the dependencies hold, it repeats
/// the changes on the current tree. So only a conflict on a node that the transaction really used fails it, and small
/// outside writes cannot starve a large transaction.
///
/// A transaction can let go of both versions and go on in a newer tree, as if it had been begun there: dependencies that
/// hold there are answers that are true there, too. If they do not, it is doomed.
final class Transaction {
    /// About what a transaction takes before it does something.
    static final int BASE_BYTES = 1024;

    /// About what a change takes beside its path and value, its event included.
    private static final int CHANGE_BYTES = 192;

    /// Events of one node are one event, as in C xenstored.
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
    // Whether its answers come from two trees that differ.
    private boolean mixed;

    /// @param store at its version of now, which the transaction sees
    /// @param growth is told of bytes that it takes more
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

    /// Takes nothing any more: it has ended.
    void giveBack() {
        grow(-bytes);
    }

    int id() {
        return id;
    }

    List<Request.Change> changes() {
        return changes;
    }

    /// What it depends on, for saved state.
    Map<Path, Integer> dependencies() {
        return dependencies.aspects();
    }

    /// Makes the commit fail with EAGAIN if it has changed anything, or gives any more answers: it was in conflict when it
    /// went on in another tree.
    void doom() {
        doomed = true;
    }

    /// Who does it may do other things than before: makes the commit fail with EAGAIN if it changes anything, since what it
    /// has been told may depend on that.
    void rightsHaveChanged() {
        otherRights = true;
    }

    /// Whether a commit of any change would fail, or saved state could not tell whether it would.
    boolean isInConflict(TreeEditor store, FormerDomains former) {
        return doomed
                || otherRights
                || dependencies.areOnAll()
                || !dependencies.holdIn(store)
                || former.nameSomeOf(changes, started);
    }

    /// Looks whether who does it may do one more operation. Each adds a few nodes at most to those that the transaction
    /// depends on, also where it finds none.
    ///
    /// @throws XenError ENOSPC or ENOMEM if not
    void check(Account account) throws XenError {
        account.useMemory(account.memory());
        account.use(Quota.TRANSACTION_NODES, 1L + Math.max(changes.size(), dependencies.size()));
    }

    /// Its version of the tree.
    ///
    /// @param store where it goes on if it has let go of its own
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

    /// Whether what it depends on is the same in a version of the store.
    boolean holdsIn(TreeEditor version) {
        return !doomed && dependencies.holdIn(version);
    }

    /// Goes on in the store as it is now, if what has been answered holds there.
    void follow(TreeEditor store) {
        if (!dependencies.isBase(store) && holdsIn(store)) {
            letGo();
        }
    }

    /// Keeps neither the tree of its start nor its own version any longer, only what it needs to go on.
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

    /// Whether an error of a change is for want of quota.
    private static boolean isQuota(XenError error) {
        return error == XenError.ENOSPC || error == XenError.ENOMEM;
    }

    /// About what one more change takes: itself, and the nodes that it has a version of its own of. Those that it shares
    /// with the change before have been counted there.
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

    /// Goes on from saved state.
    void restore(Caller caller, TreeEditor store, XenStoreState.TransactionState saved) {
        repeat(caller, editor(caller, store), saved.changes());
        for (Request.Change change : saved.changes()) {
            grow(cost(change));
            changes.add(change);
        }
        dependencies.restore(saved.dependencies());
    }

    /// Does changes again. One that fails, for want of quota or because the transaction was in conflict already, dooms it.
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

    /// Brings the changes into `store` and hands out the events, in order.
    ///
    /// @param allowed whether the version that comes of it may take the store's place now
    /// @param former domains that are gone, which a permission set before must not bring back
    /// @throws XenError EAGAIN for a conflict; ENOSPC or ENOMEM if the changes no longer fit the caller's quota, which trying
    ///     again would only repeat; ENOSPC if they cannot be kept. The store is then unchanged.
    void commit(
            Caller caller,
            TreeEditor store,
            Predicate<TreeEditor> allowed,
            Consumer<NodeEvent> fire,
            FormerDomains former)
            throws XenError {
        if (changes.isEmpty() && !mixed) {
            // Its answers were all true when it started, whatever has happened since.
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

    /// Does a change for the commit that was answered OK before. Whatever else than quota is against it now is a conflict
    /// with who has changed it since, so the client is told to look again.
    private static void applyAgain(Caller caller, TreeEditor result, Request.Change change)
            throws XenError {
        try {
            result.apply(caller, change);
        } catch (XenError e) {
            throw isQuota(e) ? e : XenError.EAGAIN;
        }
    }
}
