package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.persist.StoreImage;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.Features;
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
    /// A domain whose ring is served.
    static final class Introduced {
        final Session session;
        boolean shutdown;

        Introduced(Session session) {
            this.session = session;
        }
    }

    private final Domains domains;
    private final Accounts accounts;
    private final WatchTable watches = new WatchTable();
    private final SpecialWatches special = new SpecialWatches(watches);
    private final TreeEditor editor;
    private final FormerDomains former = new FormerDomains(this::nextGeneration);
    private final Map<DomId, Introduced> introduced =
            new TreeMap<>(Comparator.comparingInt(DomId::value));
    private final List<Session> changedSessions = new ArrayList<>();
    private long generation;
    private int openTransactions;
    // Of another daemon, kept for the next one.
    private List<XenStoreState.QuotaState> foreignQuotas = List.of();

    XenStore(Quotas quotas, Domains domains) {
        this.domains = domains;
        Node root = Node.root(Permissions.DOM0_ONLY);
        NodeCounts counts = NodeCounts.of(root);
        this.accounts = new Accounts(quotas, domains, counts);
        this.editor = new TreeEditor(root, counts, this::nextGeneration, watches::fire, null);
    }

    private long nextGeneration() {
        return ++generation;
    }

    Accounts accounts() {
        return accounts;
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
        return new Session(accounts.of(domain), outlet, changedSessions);
    }

    // --- the tree

    private TreeEditor editor(Session session, int transaction, Path path) throws XenError {
        checkLength(session, path);
        return transaction == 0 ? editor : checked(session, transaction).editor();
    }

    private static void checkLength(Session session, Path path) throws XenError {
        Account account = session.caller().account();
        if (account != null) {
            account.use(Quota.PATH_MAX, path.localLength());
        }
    }

    /// An open transaction that may still do something.
    private static Transaction checked(Session session, int id) throws XenError {
        Transaction transaction = open(session, id);
        Account account = session.caller().account();
        if (account != null) {
            transaction.account(account);
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
        return editor(session, transaction, path).read(session.caller(), path);
    }

    Node directory(Session session, int transaction, Path path) throws XenError {
        return editor(session, transaction, path).directory(session.caller(), path);
    }

    Permissions permissions(Session session, int transaction, Path path) throws XenError {
        if (path.isSpecial()) {
            return specialPermissions(session, path);
        }
        return editor(session, transaction, path).permissions(session.caller(), path);
    }

    private Permissions specialPermissions(Session session, Path path) throws XenError {
        Permissions permissions = special.permissions(path);
        if (!session.caller().canRead(permissions)) {
            throw XenError.EACCES;
        }
        return permissions;
    }

    void change(Session session, int transaction, Request.Change change) throws XenError {
        Request.Change allowed = change;
        if (change instanceof Request.SetPerms(Path path, Permissions permissions)) {
            Permissions settable = settable(session, permissions);
            if (path.isSpecial()) {
                setSpecialPermissions(session, path, settable);
                settable.entries().forEach(entry -> nameIfAbsent(entry.domain()));
                return;
            }
            allowed = new Request.SetPerms(path, settable);
        }
        checkLength(session, change.path());
        if (transaction == 0) {
            editor.apply(session.caller(), allowed);
        } else {
            checked(session, transaction).apply(session.caller(), allowed);
        }
        if (allowed instanceof Request.SetPerms(var _, Permissions set)) {
            set.entries().forEach(entry -> nameIfAbsent(entry.domain()));
        }
    }

    /// What of a list can be set. As in both existing daemons, an entry for a domain that does not exist is kept; it means
    /// nothing to a later one of that id (XSA-322).
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
                removeNamesFromBefore(entry.domain());
            }
        }
        return any
                ? permissions
                : permissions.forOnly(domain -> !domain.equals(Permissions.ANY_DOMAIN));
    }

    /// Permissions have been set that name a domain.
    private void nameIfAbsent(DomId domain) {
        if (!domain.equals(Permissions.ANY_DOMAIN) && !domains.exists(domain)) {
            former.named(domain);
        }
    }

    /// A domain that exists is about to be given something: nothing of what an earlier one of its id was meant to have.
    void removeNamesFromBefore(DomId domain) {
        if (former.isNewAndNamed(domain)) {
            former.add(domain);
            special.forget(domain);
            DomainRemoval.from(editor, domain);
        }
    }

    private void setSpecialPermissions(Session session, Path path, Permissions permissions)
            throws XenError {
        if (!session.caller().isPrivileged()) {
            throw XenError.EACCES;
        }
        special.setPermissions(path, permissions);
    }

    /// Compares what is counted with what is there (CONTROL check).
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

    /// Registers a watch. The caller answers first, and then lets it fire once.
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
        if (inTransaction != 0) {
            open(session, inTransaction);
            throw XenError.EBUSY;
        }
        Account account = session.caller().account();
        if (account != null) {
            account.use(Quota.TRANSACTIONS, account.transactions() + 1L);
        }
        int id = session.nextTransactionId();
        addTransaction(session, id);
        return id;
    }

    private Transaction addTransaction(Session session, int id) {
        Transaction transaction =
                new Transaction(id, editor.root(), editor.counts(), this::nextGeneration);
        session.transactions().put(id, transaction);
        session.account().addTransaction();
        openTransactions++;
        return transaction;
    }

    /// Ends a transaction, whatever the outcome.
    void endTransaction(Session session, int id, boolean commit) throws XenError {
        Transaction transaction = open(session, id);
        session.transactions().remove(id);
        session.account().removeTransaction(transaction.accountedBytes());
        openTransactions--;
        if (commit) {
            transaction.commit(
                    session.caller(), editor, this::nextGeneration, watches::fire, former);
        }
    }

    /// Drops the watches and transactions of a session: RESET_WATCHES, a reconnection, or its end.
    void reset(Session session) {
        watches.unregisterAll(session);
        openTransactions -= session.transactions().size();
        for (Transaction open : session.transactions().values()) {
            session.account().removeTransaction(open.accountedBytes());
        }
        session.transactions().clear();
    }

    // --- saved state

    XenStoreState save(Predicate<Path> wanted, List<XenStoreState.DomainState> domainStates) {
        return new XenStoreState(
                StoreSnapshot.nodes(editor.root(), wanted),
                List.of(
                        new XenStoreState.SpecialState(
                                SpecialWatches.INTRODUCE_DOMAIN, special.introducePermissions()),
                        new XenStoreState.SpecialState(
                                SpecialWatches.RELEASE_DOMAIN, special.releasePermissions())),
                SavedQuotas.of(accounts.quotas(), Quotas.DEFAULT, foreignQuotas),
                XenStoreState.Descriptors.NONE,
                domainStates,
                List.of());
    }

    void restore(XenStoreState state) throws XenError {
        // Children first: what is added to a node would change its generation.
        for (XenStoreState.NodeState node : state.nodes().reversed()) {
            editor.restore(node);
            generation = Math.max(generation, Math.max(node.ordinal(), node.generation()));
            restored(node.permissions(), state);
        }
    }

    /// Takes note of domains that permissions name and that do not exist, but for those that are about to be introduced.
    private void restored(Permissions permissions, XenStoreState state) {
        for (Permissions.Entry entry : permissions.entries()) {
            if (state.domains().stream()
                    .noneMatch(saved -> saved.domain().equals(entry.domain()))) {
                nameIfAbsent(entry.domain());
            }
        }
    }

    /// A domain may act for itself, or for one that is introduced or about to be.
    ///
    /// @throws XenError EINVAL if it is neither
    void checkTarget(XenStoreState.DomainState domain, XenStoreState state) throws XenError {
        DomId target = domain.target();
        boolean restored =
                state.domains().stream().anyMatch(saved -> saved.domain().equals(target));
        if (!restored && (target.equals(DomId.SELF) || !isIntroduced(target))) {
            throw XenError.EINVAL;
        }
    }

    /// Whether the commit of a change would fail now.
    boolean isInConflict(Transaction transaction) {
        return transaction.isInConflict(editor.root(), former);
    }

    StoreImage image() {
        return new StoreImage(
                editor.root(), special.introducePermissions(), special.releasePermissions());
    }

    /// Takes over what only a whole store has. [StoreSnapshot#check] has been passed.
    void restoreWhole(XenStoreState state) throws XenError {
        for (XenStoreState.SpecialState saved : state.special()) {
            special.setPermissions(saved.path(), saved.permissions());
            restored(saved.permissions(), state);
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
        for (XenStoreState.TransactionState saved : state.transactions()) {
            Transaction transaction = addTransaction(session, saved.id());
            for (Request.Change change : saved.changes()) {
                if (change instanceof Request.SetPerms(var _, Permissions set)) {
                    set.entries().forEach(entry -> nameIfAbsent(entry.domain()));
                }
            }
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
        removeNamesFromBefore(domain);
        introduced.put(domain, new Introduced(session));
        special.fireIntroduce(domain);
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
        forget(domain);
        special.fireRelease(domain);
    }

    /// Removes what is left of a domain that is gone, which need not have been introduced.
    void forget(DomId domain) {
        former.add(domain);
        special.forget(domain);
        DomainRemoval.from(editor, domain);
        accounts.close(domain);
    }

    /// Fires `@releaseDomain` once when a domain has shut down, until it is resumed.
    void shutdown(DomId domain) {
        Introduced gone = introduced.get(domain);
        if (gone != null && !gone.shutdown) {
            gone.shutdown = true;
            special.fireRelease(domain);
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
        if (!target.equals(DomId.DOM0)) {
            introducedOrFail(target);
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
