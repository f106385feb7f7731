package io.xenemu.xenstore.store;

import com.google.common.collect.ImmutableList;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.state.XenStoreState.ConnectionState;
import io.xenemu.xenstore.state.XenStoreState.NodeState;
import io.xenemu.xenstore.state.XenStoreState.TransactionState;
import io.xenemu.xenstore.state.XenStoreState.WatchState;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/// Copies a store, or a part of it, to a `XenStoreState`. The store's lock is held.
public final class StoreSnapshot {
    private static final Path VM = Path.of("/vm");

    /// Selects the whole store.
    public static final ImmutableList<Path> ALL = ImmutableList.of(Path.ROOT);

    /// A node that is looked at.
    ///
    /// @param wanted whether it is at one of the places, or below
    private record Place(Path path, Node node, boolean wanted) {}

    private StoreSnapshot() {}

    /// All nodes at these places and below, parents first. The rest of the store is not looked at: a guest may stand
    /// still meanwhile, and others may have many nodes.
    public static List<NodeState> nodes(Node root, List<Path> places) {
        List<NodeState> nodes = new ArrayList<>();
        ArrayDeque<Place> left = new ArrayDeque<>();
        left.push(new Place(Path.ROOT, root, places.contains(Path.ROOT)));
        while (!left.isEmpty()) {
            Place place = left.pop();
            Node node = place.node;
            if (place.wanted) {
                nodes.add(
                        new NodeState(
                                place.path,
                                node.value(),
                                node.permissions(),
                                node.ordinal(),
                                node.generation()));
            }
            for (Node child : node.children().inOrder().reversed()) {
                Path path = place.path.child(child.name());
                boolean wanted = place.wanted || places.contains(path);
                if (wanted || places.stream().anyMatch(below -> below.isAtOrBelow(path))) {
                    left.push(new Place(path, child, wanted));
                }
            }
        }
        return nodes;
    }

    /// The places of the nodes of one domain: its own directory, that of its VM, the toolstack's record of its devices,
    /// and its back ends in domain 0.
    public static List<Path> placesOf(Node root, DomId domain) {
        Path home = Path.ofDomain(domain);
        String number = Integer.toString(domain.value());
        List<Path> tops = new ArrayList<>(List.of(home, Path.of("/libxl").child(number)));
        Node vm = root.find(home.child("vm"));
        if (vm != null) {
            vmDirectory(vm.value()).ifPresent(tops::add);
        }
        Path backends = Path.of("/local/domain/0/backend");
        Node kinds = root.find(backends);
        if (kinds != null) {
            for (Node kind : kinds.children().inOrder()) {
                tops.add(backends.child(kind.name()).child(number));
            }
        }
        return tops;
    }

    private static Optional<Path> vmDirectory(byte[] text) {
        try {
            Path path = Path.parse(text, 0, text.length, Path.ROOT);
            return path.isAtOrBelow(VM) && !path.equals(VM) ? Optional.of(path) : Optional.empty();
        } catch (XenError e) {
            return Optional.empty(); // a tool wrote something else there
        }
    }

    /// A connection's state; its transport passes input and output. Its transactions go on in the store as it is now.
    public static ConnectionState connection(
            Session session, XenStore store, byte[] input, byte[] output) {
        return new ConnectionState(input, output, watches(session), transactions(session, store));
    }

    private static List<WatchState> watches(Session session) {
        return session.watches().values().stream()
                .map(watch ->
                        new WatchState(
                                watch.key().path(),
                                watch.key().token(),
                                watch.relative(),
                                watch.depth()))
                .toList();
    }

    private static List<TransactionState> transactions(Session session, XenStore store) {
        store.settle(session);
        return session.transactions().values().stream()
                .sorted(Comparator.comparing(Transaction::id, Integer::compareUnsigned))
                .map(open ->
                        new TransactionState(
                                open.id(), open.isDoomed(), open.changes(), open.dependencies()))
                .toList();
    }
}
