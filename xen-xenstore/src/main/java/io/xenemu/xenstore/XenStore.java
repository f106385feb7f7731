package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.persist.StoreImage;
import io.xenemu.xenstore.quota.Account;
import io.xenemu.xenstore.quota.Accounts;
import io.xenemu.xenstore.quota.NodeCounts;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.quota.SavedQuotas;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.Features;
import io.xenemu.xenstore.wire.Request;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/// The store: the tree, the watches, the sessions with their transactions, and the introduced domains. Behaves as
/// `docs/misc/xenstore.txt` says, and as C xenstored where that is silent; comments name the differences.
///
/// Not thread-safe: [XenStoreServer] holds its lock during every call. The store calls nothing outside, except a
/// session's [Outlet], which only queues.
final class XenStore {
    private final KnownDomains domains;
    private final Accounts accounts;
    private final WatchTable watches = new WatchTable();
    private final TreeEditor editor;
    private final SpecialWatches special;
    private final FormerDomains former;
    private final IntroducedDomains introduced;
    private final OpenTransactions transactions;
    private final List<Session> changedSessions = new ArrayList<>();
    private long generation;
    // Quotas of another daemon, kept for the next one.
    private List<XenStoreState.QuotaState> foreignQuotas = List.of();

    XenStore(Quotas quotas, KnownDomains domains) {
        this.domains = domains;
        Node root = Node.root(Permissions.DOM0_ONLY);
        NodeCounts counts = NodeCounts.of(root);
        this.accounts = new Accounts(quotas, domains::exists, counts);
        this.editor =
                new TreeEditor(
                        root,
                        SpecialPermissions.STANDARD,
                        counts,
                        this::nextGeneration,
                        watches::fire,
                        null);
        this.special = new SpecialWatches(watches, editor);
        this.former = new FormerDomains(domains, editor, this::nextGeneration);
        this.transactions =
                new OpenTransactions(
                        editor,
                        former,
                        this::nextGeneration,
                        new CommitTurns(System::nanoTime),
                        watches::fire);
        this.introduced = new IntroducedDomains(former, special, accounts, this::reset);
    }

    /// Sets the room for changes; a change without room is refused from now on.
    void keptIn(ChangeRoom room) {
        editor.keptIn(room);
    }

    private long nextGeneration() {
        return ++generation;
    }

    Accounts accounts() {
        return accounts;
    }

    IntroducedDomains introduced() {
        return introduced;
    }

    Node root() {
        return editor.root();
    }

    NodeCounts nodeCounts() {
        return editor.counts();
    }

    int watchCount() {
        return watches.size();
    }

    int transactionCount() {
        return transactions.count();
    }

    /// About the bytes of earlier versions of the tree that open transactions of guests keep.
    long pinnedBytes() {
        return transactions.pinnedBytes();
    }

    /// Sessions with output that has not been flushed.
    List<Session> changedSessions() {
        return changedSessions;
    }

    Session connect(DomId domain, Outlet outlet) {
        return new Session(accounts.of(domain), outlet, changedSessions);
    }

    // --- the tree

    private TreeEditor editor(Session session, int transaction, Path path) throws XenError {
        checkLength(session, path);
        return transaction == 0 ? editor : transactions.editor(session, transaction);
    }

    private static void checkLength(Session session, Path path) throws XenError {
        Account account = session.caller().account();
        if (account != null) {
            account.use(Quota.PATH_MAX, path.localLength());
        }
    }

    byte[] read(Session session, int transaction, Path path) throws XenError {
        return editor(session, transaction, path).read(session.caller(), path);
    }

    Node directory(Session session, int transaction, Path path) throws XenError {
        return editor(session, transaction, path).directory(session.caller(), path);
    }

    Permissions permissions(Session session, int transaction, Path path) throws XenError {
        return editor(session, transaction, path).permissions(session.caller(), path);
    }

    void change(Session session, int transaction, Request.Change change) throws XenError {
        Request.Change allowed = change;
        if (change instanceof Request.SetPerms(Path path, Permissions permissions)) {
            allowed = new Request.SetPerms(path, settable(session, permissions));
        }
        checkLength(session, change.path());
        if (transaction == 0) {
            editor.apply(session.caller(), allowed);
            transactions.boundVersions();
        } else {
            transactions.usable(session, transaction).apply(session.caller(), editor, allowed);
        }
        former.set(allowed);
    }

    /// The entries of a permission list that may be set. As in both existing daemons, an entry for a domain that does
    /// not exist is kept, but gives nothing to a later domain of that id (XSA-322).
    private Permissions settable(Session session, Permissions permissions) throws XenError {
        Account account = session.caller().account();
        if (account != null) {
            account.use(Quota.NODE_PERMISSIONS, permissions.size()); // as they were sent
        }
        DomId owner = permissions.owner();
        boolean any = session.account().hasFeature(Features.ANY_DOMAIN);
        if (!domains.exists(owner) && !(any && owner.equals(Permissions.ANY_DOMAIN))) {
            throw XenError.ENOENT;
        }
        for (Permissions.Entry entry : permissions.entries()) {
            if (domains.exists(entry.domain())) {
                former.removeNamesFromBefore(entry.domain());
            }
        }
        return any
                ? permissions
                : permissions.forOnly(domain -> !domain.equals(Permissions.ANY_DOMAIN));
    }

    /// Compares the counters with the tree (CONTROL check).
    ///
    /// @throws IllegalStateException if they differ, which is our bug
    void check() {
        NodeCounts found = NodeCounts.of(editor.root());
        if (!found.agrees(editor.counts())) {
            throw new IllegalStateException(
                    "counted %d nodes of %d bytes, found %d of %d"
                            .formatted(
                                    editor.counts().total(),
                                    editor.counts().totalBytes(),
                                    found.total(),
                                    found.totalBytes()));
        }
    }

    // --- watches

    /// Registers a watch. The caller replies first, and then fires the watch once.
    Watch watch(Session session, Request.Watch request) throws XenError {
        checkLength(session, request.path());
        return watches.register(session, request);
    }

    void unwatch(Session session, Path path, byte[] token) throws XenError {
        checkLength(session, path);
        watches.unregister(session, path, token);
    }

    // --- transactions

    int startTransaction(Session session, int inTransaction) throws XenError {
        return transactions.start(session, inTransaction);
    }

    /// Ends a transaction, with or without success.
    void endTransaction(Session session, int id, boolean commit) throws XenError {
        transactions.end(session, id, commit);
    }

    /// Drops the watches and transactions of a session: RESET_WATCHES, a reconnection, or its end.
    void reset(Session session) {
        watches.unregisterAll(session);
        transactions.drop(session);
    }

    // --- saved state

    XenStoreState save(Predicate<Path> wanted, List<XenStoreState.DomainState> domainStates) {
        return new XenStoreState(
                StoreSnapshot.nodes(editor.root(), wanted),
                editor.special().states(),
                SavedQuotas.of(accounts.quotas(), Quotas.DEFAULT, foreignQuotas),
                XenStoreState.Descriptors.NONE,
                domainStates,
                List.of());
    }

    void restoreNodes(List<XenStoreState.NodeState> nodes) throws XenError {
        // Children first: adding a child to a node would change the node's generation.
        for (XenStoreState.NodeState node : nodes.reversed()) {
            editor.restore(node);
            generation = Math.max(generation, Math.max(node.ordinal(), node.generation()));
            former.set(node.permissions());
        }
    }

    /// Whether the commit of a change would fail now.
    boolean isInConflict(Transaction transaction) {
        return transactions.isInConflict(transaction);
    }

    StoreImage image() {
        return new StoreImage(
                editor.root(), editor.special().introduce(), editor.special().release());
    }

    /// Takes over what only a whole store has. The state has passed [StoreRestoration#check(XenStoreState)].
    void restoreWhole(XenStoreState state) {
        for (XenStoreState.SpecialState saved : state.special()) {
            editor.special(editor.special().with(saved.path(), saved.permissions()));
            former.set(saved.permissions());
        }
        accounts.quotas(SavedQuotas.restore(accounts.quotas(), state.quotas()));
        foreignQuotas = SavedQuotas.foreign(state.quotas());
    }

    void restore(Session session, XenStoreState.ConnectionState state) {
        for (XenStoreState.WatchState saved : state.watches()) {
            watches.restore(
                    session,
                    new Watch.Key(saved.path(), saved.token()),
                    saved.relative(),
                    saved.depth());
        }
        state.transactions().forEach(saved -> transactions.restore(session, saved));
    }

    /// Removes what was given to earlier domains of this id, before a new domain is introduced or restored.
    void removeNamesFromBefore(DomId domain) {
        former.removeNamesFromBefore(domain);
    }

    /// Keeps the permissions of restored domains.
    void takeRestored(List<XenStoreState.DomainState> restored) {
        restored.forEach(domain -> former.forget(domain.domain()));
    }
}
