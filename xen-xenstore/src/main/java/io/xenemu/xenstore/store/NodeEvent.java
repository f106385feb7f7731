package io.xenemu.xenstore.store;

import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import org.jspecify.annotations.Nullable;

/// A change of the tree as watches see it.
sealed interface NodeEvent {
    Path path();

    /// A node was created or written, or its permissions were set. If missing parents were created too, there is
    /// still one event, for the requested node.
    ///
    /// @param before the permissions before, null if it was created
    /// @param after the permissions now
    /// @param parent the parent's permissions, null for the root
    record Written(
            Path path,
            @Nullable Permissions before,
            Permissions after,
            @Nullable Permissions parent)
            implements NodeEvent {}

    /// A node was removed with everything below.
    ///
    /// @param node the removed node
    /// @param parent the parent's permissions
    record Removed(Path path, Node node, Permissions parent) implements NodeEvent {}

    /// Whether a client may see the event: it can read the node, could read it before, or can read the parent. C
    /// xenstored does the same; the document asks for less.
    static boolean visible(
            Caller caller,
            @Nullable Permissions before,
            @Nullable Permissions after,
            @Nullable Permissions parent) {
        return caller.isPrivileged()
                || (before != null && caller.canRead(before))
                || (after != null && caller.canRead(after))
                || (parent != null && caller.canRead(parent));
    }
}
