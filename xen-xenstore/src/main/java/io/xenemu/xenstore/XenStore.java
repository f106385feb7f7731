package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.Request;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The store: the tree, the watches, the sessions with their transactions, and who is introduced. Behaviour is that of
/// `docs/misc/xenstore.txt`, and of C xenstored where that is silent; differences are named where they are.
///
/// Not thread-safe: [XenStoreServer] holds its lock around every call. Nothing here calls out, except to a session's
/// [Outlet], which only queues.
final class XenStore {
    static final Path INTRODUCE_DOMAIN = Path.of("@introduceDomain");
    static final Path RELEASE_DOMAIN = Path.of("@releaseDomain");

    /// A domain whose ring is served.
    static final class Introduced {
        final Session session;
        boolean shutdown;

        Introduced(Session session) {
            this.session = session;
        }
    }

    private final Quotas quotas;
    private final Domains domains;
    private final WatchTable watches = new WatchTable();
    private final TreeEditor editor;
    private final Map<DomId, Introduced> introduced =
            new TreeMap<>(Comparator.comparingInt(DomId::value));
    private final List<Session> changedSessions = new ArrayList<>();
    private long generation;
    private long watchOrder;
    private int openTransactions;
    // Closed to guests, as in Xen 4.17; domain 0 opens them by SET_PERMS.
    private Permissions introducePermissions = Permissions.DOM0_ONLY;
    private Permissions releasePermissions = Permissions.DOM0_ONLY;
    // Of another daemon, kept for the next one.
    private List<XenStoreState.QuotaState> foreignQuotas = List.of();

    XenStore(Quotas quotas, Domains domains) {
        this.quotas = quotas;
        this.domains = domains;
        Node root = Node.root(Permissions.DOM0_ONLY);
        this.editor =
                new TreeEditor(
                        root,
                        NodeCounts.of(root),
                        quotas,
                        this::nextGeneration,
                        watches::fire,
                        null);
    }

    private long nextGeneration() {
        return ++generation;
    }

    Quotas quotas() {
        return quotas;
    }

    Domains domains() {
        return domains;
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
        return openTransactions;
    }

    /// Sessions with output that has not been flushed.
    List<Session> changedSessions() {
        return changedSessions;
    }

    Session connect(DomId domain, Outlet outlet) {
        return new Session(domain, outlet, changedSessions);
    }

    // --- the tree

    private TreeEditor editor(Session session, int transaction) throws XenError {
        return transaction == 0 ? editor : checked(session, transaction).editor();
    }

    /// An open transaction that may still do something.
    private Transaction checked(Session session, int id) throws XenError {
        Transaction transaction = open(session, id);
        if (!session.caller().isPrivileged()) {
            transaction.checkRoom(quotas);
        }
        return transaction;
    }

    private static Transaction open(Session session, int id) throws XenError {
        Transaction transaction = session.transaction(id);
        if (transaction == null) {
            throw XenError.ENOENT;
        }
        return transaction;
    }

    byte[] read(Session session, int transaction, Path path) throws XenError {
        return editor(session, transaction).read(session.caller(), path);
    }

    Node directory(Session session, int transaction, Path path) throws XenError {
        return editor(session, transaction).directory(session.caller(), path);
    }

    Permissions permissions(Session session, int transaction, Path path) throws XenError {
        if (path.isSpecial()) {
            return specialPermissions(session, path);
        }
        return editor(session, transaction).permissions(session.caller(), path);
    }

    private Permissions specialPermissions(Session session, Path path) throws XenError {
        Permissions permissions;
        if (path.equals(INTRODUCE_DOMAIN)) {
            permissions = introducePermissions;
        } else if (path.equals(RELEASE_DOMAIN)) {
            permissions = releasePermissions;
        } else {
            throw XenError.EINVAL;
        }
        if (!session.caller().canRead(permissions)) {
            throw XenError.EACCES;
        }
        return permissions;
    }

    void change(Session session, int transaction, Request.Change change) throws XenError {
        if (change instanceof Request.SetPerms(Path path, Permissions permissions)) {
            if (!domains.exists(permissions.owner())) {
                throw XenError.ENOENT;
            }
            if (path.isSpecial()) {
                setSpecialPermissions(session, path, permissions);
                return;
            }
        }
        if (transaction == 0) {
            editor.apply(session.caller(), change);
        } else {
            checked(session, transaction).apply(session.caller(), change);
        }
    }

    private void setSpecialPermissions(Session session, Path path, Permissions permissions)
            throws XenError {
        if (!session.caller().isPrivileged()) {
            throw XenError.EACCES;
        }
        if (!isSpecialEvent(path)) {
            throw XenError.EINVAL;
        }
        putSpecialPermissions(path, permissions);
    }

    /// Compares what is counted with what is there (CONTROL check).
    ///
    /// @throws IllegalStateException if they differ, which is our bug
    void check() {
        int nodes = NodeCounts.of(editor.root()).total();
        if (nodes != editor.counts().total()) {
            throw new IllegalStateException(
                    "counted " + editor.counts().total() + " nodes, found " + nodes);
        }
    }

    // --- watches

    /// Registers a watch. The caller answers first, and then lets it fire once.
    Watch watch(Session session, Path path, boolean relative, byte[] token) throws XenError {
        Watch.Key key = new Watch.Key(path, token);
        if (session.watches().containsKey(key)) {
            throw XenError.EEXIST;
        }
        if (!session.caller().isPrivileged() && session.watches().size() >= quotas.watches()) {
            throw XenError.E2BIG;
        }
        return addWatch(session, key, relative);
    }

    private Watch addWatch(Session session, Watch.Key key, boolean relative) {
        Watch watch = new Watch(watchOrder++, session, key, relative);
        session.watches().put(key, watch);
        watches.add(watch);
        return watch;
    }

    void unwatch(Session session, Path path, byte[] token) throws XenError {
        Watch watch = session.watches().remove(new Watch.Key(path, token));
        if (watch == null) {
            throw XenError.ENOENT;
        }
        watches.remove(watch);
    }

    // --- transactions

    int startTransaction(Session session, int inTransaction) throws XenError {
        if (inTransaction != 0) {
            open(session, inTransaction);
            throw XenError.EBUSY;
        }
        if (!session.caller().isPrivileged()
                && session.transactions().size() >= quotas.transactions()) {
            throw XenError.ENOSPC;
        }
        int id = session.nextTransactionId();
        addTransaction(session, id);
        return id;
    }

    private Transaction addTransaction(Session session, int id) {
        Transaction transaction =
                new Transaction(id, editor.root(), editor.counts(), quotas, this::nextGeneration);
        session.transactions().put(id, transaction);
        openTransactions++;
        return transaction;
    }

    /// Ends a transaction, whatever the outcome.
    void endTransaction(Session session, int id, boolean commit) throws XenError {
        Transaction transaction = open(session, id);
        session.transactions().remove(id);
        openTransactions--;
        if (commit) {
            transaction.commit(
                    session.caller(), editor, quotas, this::nextGeneration, watches::fire);
        }
    }

    /// Drops the watches and transactions of a session: RESET_WATCHES, a reconnection, or its end.
    void reset(Session session) {
        session.watches().values().forEach(watches::remove);
        session.watches().clear();
        openTransactions -= session.transactions().size();
        session.transactions().clear();
    }

    // --- saved state

    XenStoreState save(Predicate<Path> wanted, List<XenStoreState.DomainState> domainStates) {
        return new XenStoreState(
                StoreSnapshot.nodes(editor.root(), wanted),
                List.of(
                        new XenStoreState.SpecialState(INTRODUCE_DOMAIN, introducePermissions),
                        new XenStoreState.SpecialState(RELEASE_DOMAIN, releasePermissions)),
                foreignQuotas,
                XenStoreState.Descriptors.NONE,
                domainStates,
                List.of());
    }

    void restore(XenStoreState state) throws XenError {
        // Children first: what is added to a node would change its generation.
        for (XenStoreState.NodeState node : state.nodes().reversed()) {
            editor.restore(node);
            generation = Math.max(generation, Math.max(node.ordinal(), node.generation()));
        }
    }

    /// Takes over what only a whole store has. [StoreSnapshot#check] has been passed.
    void restoreWhole(XenStoreState state) {
        for (XenStoreState.SpecialState special : state.special()) {
            putSpecialPermissions(special.path(), special.permissions());
        }
        foreignQuotas = state.quotas();
    }

    private void putSpecialPermissions(Path path, Permissions permissions) {
        if (path.equals(INTRODUCE_DOMAIN)) {
            introducePermissions = permissions;
        } else {
            releasePermissions = permissions;
        }
    }

    static boolean isSpecialEvent(Path path) {
        return path.equals(INTRODUCE_DOMAIN) || path.equals(RELEASE_DOMAIN);
    }

    void restore(Session session, XenStoreState.ConnectionState state) {
        for (XenStoreState.WatchState saved : state.watches()) {
            addWatch(session, new Watch.Key(saved.path(), saved.token()), saved.relative());
        }
        for (XenStoreState.TransactionState saved : state.transactions()) {
            Transaction transaction = addTransaction(session, saved.id());
            if (saved.doomed()) {
                transaction.doom();
            }
            transaction.repeat(session.caller(), saved.changes());
            transaction.dependencies().replace(saved.dependencies());
        }
    }

    // --- domains

    @Nullable Introduced introduced(DomId domain) {
        return introduced.get(domain);
    }

    Map<DomId, Introduced> allIntroduced() {
        return introduced;
    }

    boolean isIntroduced(DomId domain) {
        // DOMID_SELF counts, in both existing daemons.
        return domain.equals(DomId.DOM0)
                || domain.equals(DomId.SELF)
                || introduced.containsKey(domain);
    }

    void introduce(DomId domain, Session session) {
        introduced.put(domain, new Introduced(session));
        watches.fireSpecial(INTRODUCE_DOMAIN, introducePermissions);
    }

    /// Ends the service for a domain, removes the nodes that it owns and its entries in other nodes' permissions, so that
    /// neither the next domain of this id gets them nor the store fills with them (XSA-322, XSA-419).
    void release(DomId domain) {
        Introduced gone = introduced.remove(domain);
        if (gone != null) {
            reset(gone.session);
        }
        for (Introduced other : introduced.values()) {
            if (other.session.caller().target().equals(domain)) {
                other.session.target(other.session.caller().domain());
            }
        }
        introducePermissions = introducePermissions.without(domain);
        releasePermissions = releasePermissions.without(domain);
        DomainRemoval.from(editor, domain);
        watches.fireSpecial(RELEASE_DOMAIN, releasePermissions);
    }

    /// Fires `@releaseDomain` once when a domain has shut down, until it is resumed.
    void shutdown(DomId domain) {
        Introduced gone = introduced.get(domain);
        if (gone != null && !gone.shutdown) {
            gone.shutdown = true;
            watches.fireSpecial(RELEASE_DOMAIN, releasePermissions);
        }
    }

    /// As after [#shutdown], which fired before it was saved.
    void restoreShutdown(DomId domain) {
        Introduced restored = introduced.get(domain);
        if (restored != null) {
            restored.shutdown = true;
        }
    }

    void resume(DomId domain) throws XenError {
        introducedOrFail(domain).shutdown = false;
    }

    void setTarget(DomId domain, DomId target) throws XenError {
        Introduced stub = introducedOrFail(domain);
        if (!isIntroduced(target)) {
            throw XenError.ENOENT;
        }
        stub.session.target(target);
    }

    private Introduced introducedOrFail(DomId domain) throws XenError {
        Introduced found = introduced.get(domain);
        if (found == null) {
            throw XenError.ENOENT;
        }
        return found;
    }
}
