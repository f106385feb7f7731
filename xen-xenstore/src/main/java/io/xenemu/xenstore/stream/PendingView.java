package io.xenemu.xenstore.stream;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.state.XenStoreState.NodeState;
import io.xenemu.xenstore.state.XenStoreState.SpecialState;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.Request;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The nodes as one transaction sees them: those of the store, overlaid by its changes so far.
final class PendingView {
    private static final byte[] NO_BYTES = new byte[0];

    /// The contents of a node, without its children.
    @SuppressWarnings("ArrayRecordComponent") // never compared, never modified
    record Contents(byte[] value, Permissions permissions) {}

    /// A special name as a stream represents it: a node without a value. It is in no directory, so its ordinal means
    /// nothing.
    static NodeState node(SpecialState special) {
        return new NodeState(special.path(), NO_BYTES, special.permissions(), 0, 0);
    }

    private final Map<Path, NodeState> store;
    private final DomId caller;
    private final Map<Path, Contents> changed = new HashMap<>();
    // Nodes below these are no longer the store's, even if they have been created again.
    private final Set<Path> removed = new HashSet<>();

    /// @param store nodes of the store by path, special names included
    /// @param caller the transaction's domain
    PendingView(Map<Path, NodeState> store, DomId caller) {
        this.store = store;
        this.caller = caller;
    }

    @Nullable Contents find(Path path) {
        Contents own = changed.get(path);
        if (own != null) {
            return own;
        }
        NodeState node = store.get(path);
        if (node == null) {
            return null;
        }
        for (int level = path.depth(); level > 0 && !removed.isEmpty(); level--) {
            if (removed.contains(path.prefix(level))) {
                return null;
            }
        }
        return new Contents(node.value(), node.permissions());
    }

    void apply(Request.Change change) {
        Path path = change.path();
        switch (change) {
            case Request.Write(_, byte[] value) ->
                    changed.put(path, new Contents(value, create(path).permissions));
            case Request.Mkdir _ -> create(path);
            case Request.SetPerms(_, Permissions permissions) ->
                    changed.put(path, new Contents(create(path).value, permissions));
            case Request.Rm _ -> {
                changed.keySet().removeIf(below -> below.isAtOrBelow(path));
                removed.add(path);
            }
        }
    }

    /// The node. If missing, it is created with its missing parents: guests own what they create, the rest of the
    /// list is inherited.
    private Contents create(Path path) {
        int level = path.depth();
        Contents nearest = find(path);
        while (nearest == null && level > 0) {
            nearest = find(path.prefix(--level));
        }
        if (nearest != null && level == path.depth()) {
            return nearest;
        }
        Permissions inherited = nearest == null ? Permissions.DOM0_ONLY : nearest.permissions;
        Contents created =
                new Contents(
                        NO_BYTES,
                        caller.equals(DomId.DOM0) ? inherited : inherited.ownedBy(caller));
        while (++level <= path.depth()) {
            changed.put(path.prefix(level), created);
        }
        return created;
    }
}
