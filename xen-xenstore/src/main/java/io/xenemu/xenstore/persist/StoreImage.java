package io.xenemu.xenstore.persist;

import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Permissions;

/// One version of the data that a store keeps over a restart: all nodes with their values, permissions and order, and
/// the permissions of the special watches. Connections end with the process, and with them watches, transactions and
/// introductions.
///
/// @param root the tree
/// @param introduce permissions of `@introduceDomain`
/// @param release permissions of `@releaseDomain`
public record StoreImage(Node root, Permissions introduce, Permissions release) {
    /// The image of a new store.
    static final StoreImage EMPTY =
            new StoreImage(
                    Node.root(Permissions.DOM0_ONLY), Permissions.DOM0_ONLY, Permissions.DOM0_ONLY);

    /// Whether both are the same version; does not compare the trees.
    boolean isSame(StoreImage other) {
        return root == other.root
                && introduce.equals(other.introduce)
                && release.equals(other.release);
    }
}
