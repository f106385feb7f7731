package io.xenemu.xenstore.store;

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

/// The store: the tree, the watches, the sessions with their transactions, and the introduced domains. Behaves as
/// `docs/misc/xenstore.txt` says, and as C xenstored where that is silent; comments name the differences.
///
/// Not thread-safe: `XenStoreServer` holds its lock during every call. The store calls nothing outside, except a
/// session's [Outlet], which only queues.
public final class XenStore {
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

    /// An empty store.
    ///
    /// @param quotas limits of guests, until SET_QUOTA or CONTROL changes them
    public XenStore(Quotas quotas, KnownDomains domains) {
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
    public void keptIn(ChangeRoom room) {
        editor.keptIn(room);
    }

    private long nextGeneration() {
        return ++generation;
    }

    /// The accounts of all domains.
    public Accounts accounts() {
        return accounts;
    }

    /// The introduced domains.
    public IntroducedDomains introduced() {
        return introduced;
    }

    /// The current version of the tree.
    public Node root() {
        return editor.root();
    }

    /// The number of nodes of each domain.
    public NodeCounts nodeCounts() {
        return editor.counts();
    }

    /// The number of registered watches. Any thread; may be slightly old.
    public int watchCount() {
        return watches.size();
    }

    /// The number of open transactions. Any thread; may be slightly old.
    public int transactionCount() {
        return transactions.count();
    }

    /// About the bytes of earlier versions of the tree that open transactions of guests keep.
    public long pinnedBytes() {
        return transactions.pinnedBytes();
    }

    /// Sessions with output that has not been flushed.
    public List<Session> changedSessions() {
        return changedSessions;
    }

    /// Connects a new client.
    public Session connect(DomId domain, Outlet outlet) {
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

    /// The value of a node.
    ///
    /// @param transaction an id of the session, or 0 for none; the same below
    /// @throws XenError ENOENT if there is no such node or transaction; EACCES; the error of a quota
    public byte[] read(Session session, int transaction, Path path) throws XenError {
        return editor(session, transaction, path).read(session.caller(), path);
    }

    /// The node whose children the client lists. Errors as of [#read].
    public Node directory(Session session, int transaction, Path path) throws XenError {
        return editor(session, transaction, path).directory(session.caller(), path);
    }

    /// The permissions of a node or special watch. Errors as of [#read].
    public Permissions permissions(Session session, int transaction, Path path) throws XenError {
        return editor(session, transaction, path).permissions(session.caller(), path);
    }

    /// Makes a change. Errors as of [#read], and ENOSPC if the file of the store has no room.
    public void change(Session session, int transaction, Request.Change change) throws XenError {
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

    /// The entries of a permission list that may be set. An entry for a domain that does not exist is kept, as in both
    /// existing daemons. It gives nothing to a later domain of that id (XSA-322).
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
    public void check() {
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
    public Watch watch(Session session, Request.Watch request) throws XenError {
        checkLength(session, request.path());
        return watches.register(session, request);
    }

    /// Removes a watch.
    ///
    /// @throws XenError ENOENT if the session has no such watch
    public void unwatch(Session session, Path path, byte[] token) throws XenError {
        checkLength(session, path);
        watches.unregister(session, path, token);
    }

    // --- transactions

    /// Starts a transaction, and returns its id.
    ///
    /// @param inTransaction the id that the request came with, 0 for none
    /// @throws XenError EBUSY within a transaction; the error of a quota
    public int startTransaction(Session session, int inTransaction) throws XenError {
        return transactions.start(session, inTransaction);
    }

    /// Ends a transaction, with or without success.
    public void endTransaction(Session session, int id, boolean commit) throws XenError {
        transactions.end(session, id, commit);
    }

    /// Drops the watches and transactions of a session: RESET_WATCHES, a reconnection, or its end.
    public void reset(Session session) {
        watches.unregisterAll(session);
        transactions.drop(session);
    }

    // --- saved state

    /// Saves the nodes at these places and below, and what belongs to the whole store.
    public XenStoreState save(List<Path> places, List<XenStoreState.DomainState> domainStates) {
        return new XenStoreState(
                StoreSnapshot.nodes(editor.root(), places),
                editor.special().states(),
                SavedQuotas.of(accounts.quotas(), Quotas.DEFAULT, foreignQuotas),
                XenStoreState.Descriptors.NONE,
                domainStates,
                List.of());
    }

    /// Adds saved nodes; they replace those of the same path.
    public void restoreNodes(List<XenStoreState.NodeState> nodes) throws XenError {
        // Children first: adding a child to a node would change the node's generation.
        for (XenStoreState.NodeState node : nodes.reversed()) {
            editor.restore(node);
            generation = Math.max(generation, Math.max(node.ordinal(), node.generation()));
            former.set(node.permissions());
        }
    }

    /// Lets a session's transactions go on in the store as it is now, before they are saved.
    void settle(Session session) {
        transactions.settle(session);
    }

    /// The data that the store's file keeps: one version of the tree and of the special permissions.
    public StoreImage image() {
        return new StoreImage(
                editor.root(), editor.special().introduce(), editor.special().release());
    }

    /// Takes over what only a whole store has. The state has passed `StoreRestoration#check(XenStoreState)`.
    public void restoreWhole(XenStoreState state) {
        for (XenStoreState.SpecialState saved : state.special()) {
            editor.special(editor.special().with(saved.path(), saved.permissions()));
            former.set(saved.permissions());
        }
        accounts.quotas(SavedQuotas.restore(accounts.quotas(), state.quotas()));
        foreignQuotas = SavedQuotas.foreign(state.quotas());
    }

    /// Restores the watches and transactions of a connection.
    public void restore(Session session, XenStoreState.ConnectionState state) {
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
    public void removeNamesFromBefore(DomId domain) {
        former.removeNamesFromBefore(domain);
    }

    /// Keeps what domains were given that are restored later, each with [#takeRestored].
    public void expect(List<XenStoreState.DomainState> domains) {
        domains.forEach(domain -> former.expect(domain.domain()));
    }

    /// Keeps the permissions of restored domains.
    public void takeRestored(List<XenStoreState.DomainState> restored) {
        restored.forEach(domain -> former.forget(domain.domain()));
    }
}
