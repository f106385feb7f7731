package io.xenemu.xenstore.ring;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.quota.SavedQuotas;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.state.XenStoreState.ConnectionState;
import io.xenemu.xenstore.state.XenStoreState.DomainState;
import io.xenemu.xenstore.state.XenStoreState.NodeState;
import io.xenemu.xenstore.state.XenStoreState.SpecialState;
import io.xenemu.xenstore.state.XenStoreState.TransactionState;
import io.xenemu.xenstore.state.XenStoreState.WatchState;
import io.xenemu.xenstore.store.Watch;
import io.xenemu.xenstore.store.XenStore;
import io.xenemu.xenstore.tree.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;

/// Restores a [XenStoreState] into a store.
public final class StoreRestoration {
    private StoreRestoration() {}

    /// Checks that a store can take over a state, before anything is changed.
    ///
    /// @throws XenError EINVAL for something that it cannot take over, such as a ring of domain 0, sockets, or
    ///     duplicates
    public static void check(XenStoreState state) throws XenError {
        Set<DomId> domains = new HashSet<>();
        for (DomainState domain : state.domains()) {
            DomId id = domain.domain();
            require(id.value() > 0 && id.value() < DomId.FIRST_RESERVED && domains.add(id));
            require(!domain.connection().hasWholeRequest());
            SavedQuotas.check(domain.quotas());
            check(domain.connection());
        }
        require(state.sockets().isEmpty());
        SavedQuotas.check(state.quotas());
        for (NodeState node : state.nodes()) {
            require(!node.path().isSpecial());
        }
        for (SpecialState special : state.special()) {
            require(
                    special.path().equals(Path.INTRODUCE_DOMAIN)
                            || special.path().equals(Path.RELEASE_DOMAIN));
        }
    }

    /// Checks that a store can take over a connection, before anything is changed.
    ///
    /// @throws XenError EINVAL for something that it cannot take over
    public static void check(ConnectionState connection) throws XenError {
        Set<Watch.Key> watches = new HashSet<>();
        for (WatchState watch : connection.watches()) {
            require(watch.depth() >= WatchState.UNLIMITED);
            require(watches.add(new Watch.Key(watch.path(), watch.token())));
        }
        Set<Integer> transactions = new HashSet<>(Set.of(0));
        for (TransactionState transaction : connection.transactions()) {
            require(transactions.add(transaction.id()));
        }
    }

    private static void require(boolean fine) throws XenError {
        if (!fine) {
            throw XenError.EINVAL;
        }
    }

    /// Adds the saved state, as `XenStoreServer#restore` does. The state has passed [#check]; the store's lock is
    /// held.
    ///
    /// @throws XenError EEXIST a domain is introduced already; EINVAL a domain's target is not introduced
    public static Map<DomId, RingConnection> restore(
            XenStoreState state,
            XenStore store,
            GuestRings rings,
            Function<DomainState, Ring> pageOf)
            throws XenError {
        for (DomainState domain : state.domains()) {
            if (rings.contains(domain.domain())) {
                throw XenError.EEXIST;
            }
            store.introduced().checkTarget(domain, state);
        }
        Map<DomId, Ring> pages = new HashMap<>();
        for (DomainState domain : state.domains()) {
            pages.put(domain.domain(), pageOf.apply(domain));
        }
        state.domains().forEach(domain -> store.removeNamesFromBefore(domain.domain()));
        store.restoreNodes(state.nodes());
        if (state.isWhole()) {
            store.restoreWhole(state);
        }
        Map<DomId, RingConnection> restored = new HashMap<>();
        for (DomainState saved : state.domains()) {
            Ring page = Objects.requireNonNull(pages.get(saved.domain()));
            restored.put(saved.domain(), restore(saved, store, rings, page));
        }
        store.takeRestored(state.domains());
        return restored;
    }

    private static RingConnection restore(
            DomainState saved, XenStore store, GuestRings rings, Ring page) {
        RingConnection ring = rings.connect(saved.domain(), page);
        ring.restoreLimits(saved, store.accounts().quotas());
        store.introduced().introduce(saved.domain(), ring.session());
        ring.session().target(saved.target());
        store.restore(ring.session(), saved.connection());
        if (saved.shutdown()) {
            store.introduced().restoreShutdown(saved.domain());
        }
        ring.restore(saved);
        return ring;
    }
}
