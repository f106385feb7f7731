package io.xenemu.xenstore.stream;

import static io.xenemu.xenstore.state.XenStoreState.TransactionState.ABSENT;
import static io.xenemu.xenstore.state.XenStoreState.TransactionState.ALL;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.wire.WireException;
import io.xenemu.xenstore.state.XenStoreState.NodeState;
import io.xenemu.xenstore.state.XenStoreState.TransactionState;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.Request;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// An open transaction as pending nodes. First come the nodes that it has read, as they are; then one for each change,
/// in order, as the change leaves the node. Parents that a change creates are implied, as in the request. A transaction
/// in conflict is marked by having found no root, which is impossible.
final class PendingTransaction {
    private static final byte[] NO_BYTES = new byte[0];

    private final Map<Path, NodeState> store;
    private final boolean whole;
    private final PendingView view;

    /// @param store nodes of the store, special names included
    /// @param whole whether these are all nodes
    /// @param caller the transaction's domain
    PendingTransaction(Map<Path, NodeState> store, boolean whole, DomId caller) {
        this.store = store;
        this.whole = whole;
        this.view = new PendingView(store, caller);
    }

    // --- to the stream

    List<StreamRecord.Node> records(int connection, TransactionState state) {
        List<StreamRecord.Node> records = new ArrayList<>();
        if (state.doomed()) {
            records.add(node(connection, state, PendingAccess.read(ABSENT), Path.ROOT, null));
        }
        Map<String, Path> sorted = new TreeMap<>();
        state.dependencies().keySet().forEach(path -> sorted.put(path.toString(), path));
        for (Path path : sorted.values()) {
            int aspects = state.dependencies().getOrDefault(path, 0);
            if (aspects != 0) {
                int access = PendingAccess.read(aspects);
                records.add(node(connection, state, access, path, view.find(path)));
            }
        }
        for (Request.Change change : state.changes()) {
            view.apply(change);
            Path path = change.path();
            int access = PendingAccess.written(change);
            records.add(node(connection, state, access, path, view.find(path)));
        }
        return records;
    }

    private static StreamRecord.Node node(
            int connection,
            TransactionState state,
            int access,
            Path path,
            PendingView.@Nullable Contents contents) {
        return new StreamRecord.Node(
                connection,
                state.id(),
                access,
                contents == null ? null : contents.permissions(),
                path.toString().getBytes(StandardCharsets.ISO_8859_1),
                contents == null ? NO_BYTES : contents.value());
    }

    // --- from the stream

    /// One record of a pending node.
    record Pending(Path path, int access, PendingView.@Nullable Contents contents) {}

    TransactionState state(int id, List<Pending> records) throws WireException {
        boolean doomed = false;
        Map<Path, Integer> dependencies = new HashMap<>();
        List<Request.Change> changes = new ArrayList<>();
        for (Pending pending : records) {
            boolean detailed = PendingAccess.isDetailed(pending.access);
            if (!PendingAccess.isValid(pending.access)) {
                throw new WireException("unknown access: %#x".formatted(pending.access));
            }
            if (PendingAccess.isRead(pending.access)) {
                if (pending.path.isRoot() && pending.contents == null && isConflict(pending)) {
                    doomed = true;
                    continue;
                }
                doomed |= !detailed && isConflict(pending);
                int aspects = detailed ? PendingAccess.aspects(pending.access) : all(pending);
                dependencies.merge(pending.path, aspects, (a, b) -> a | b);
                continue;
            }
            int aspects = PendingAccess.aspects(pending.access);
            if (!detailed) {
                aspects = store.containsKey(pending.path) ? ALL & ~ABSENT : ABSENT;
            }
            if (aspects != 0) {
                dependencies.merge(pending.path, aspects, (a, b) -> a | b);
            }
            for (Request.Change change : detailed ? List.of(detail(pending)) : guess(pending)) {
                view.apply(change);
                changes.add(change);
            }
        }
        return new TransactionState(id, doomed, changes, dependencies);
    }

    /// All aspects of a node: other daemons make a transaction depend on all of a node that it has touched.
    private static int all(Pending pending) {
        return pending.contents == null ? ABSENT : ALL & ~ABSENT;
    }

    /// Whether the store differs from what was read.
    private boolean isConflict(Pending pending) {
        NodeState node = store.get(pending.path);
        if (node == null) {
            return pending.path.isRoot() ? isMarker(pending) : whole && pending.contents != null;
        }
        PendingView.Contents seen = pending.contents;
        return seen == null
                || !Arrays.equals(seen.value(), node.value())
                || !seen.permissions().equals(node.permissions());
    }

    /// Recognizes the mark of a conflict. A domain's part of the store has no root among its nodes, but the root
    /// exists.
    private static boolean isMarker(Pending pending) {
        return pending.contents == null && pending.access == PendingAccess.read(ABSENT);
    }

    private static Request.Change detail(Pending pending) throws WireException {
        Request.Change change =
                PendingAccess.change(pending.access, pending.path, pending.contents);
        if (change == null) {
            throw new WireException("impossible access: %#x".formatted(pending.access));
        }
        return change;
    }

    /// The requests that lead to another daemon's record. A request that writes the same value as before still fires
    /// watches.
    private List<Request.Change> guess(Pending pending) throws WireException {
        Path path = pending.path;
        PendingView.Contents before = view.find(path);
        PendingView.Contents after = pending.contents;
        if (after == null) {
            // Nodes below a removed node may be listed too, after it.
            return before == null ? List.of() : List.of(new Request.Rm(path));
        }
        if (pending.access == 0) {
            throw new WireException("a transaction's node that was neither read nor written");
        }
        Request.Change write = new Request.Write(path, after.value());
        Request.Change setPerms = new Request.SetPerms(path, after.permissions());
        if (path.isSpecial()) {
            return List.of(setPerms); // the one change that there is of it
        }
        if (before == null) {
            return List.of(write, setPerms);
        }
        if (before.permissions().equals(after.permissions())) {
            return List.of(write);
        }
        return Arrays.equals(before.value(), after.value())
                ? List.of(setPerms)
                : List.of(write, setPerms);
    }
}
