package io.xenemu.xenstore.persist;

import io.xenemu.kvm.wire.WireException;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Builds an image from the changes in a file.
final class RestoredImage {
    private Node root = StoreImage.EMPTY.root();
    private Permissions introduce = StoreImage.EMPTY.introduce();
    private Permissions release = StoreImage.EMPTY.release();
    private boolean changed;

    /// The restored image, or null if there was no change.
    @Nullable StoreImage image() {
        return changed ? new StoreImage(root, introduce, release) : null;
    }

    /// Puts a node in its place, and keeps the nodes below.
    ///
    /// @throws WireException if its parent is missing
    void put(Path path, byte[] value, Permissions permissions, long ordinal, long generation)
            throws WireException {
        changed = true;
        List<Node> above = above(path);
        Node node = path.isRoot() ? root : above.getLast().child(path, path.depth() - 1);
        if (node == null) {
            node = Node.create(path.name(path.depth() - 1), permissions, generation);
        }
        replace(above, node.restored(value, permissions, ordinal, generation));
    }

    /// Removes a node with everything below.
    ///
    /// @throws WireException if there is none
    void remove(Path path) throws WireException {
        changed = true;
        List<Node> above = above(path);
        Node node = path.isRoot() ? null : above.getLast().child(path, path.depth() - 1);
        if (node == null) {
            throw new WireException("removes a node that is not there: " + path);
        }
        Node parent = above.removeLast();
        replace(above, parent.withoutChild(node, parent.generation()));
    }

    void special(Permissions introducePermissions, Permissions releasePermissions) {
        changed = true;
        introduce = introducePermissions;
        release = releasePermissions;
    }

    /// The nodes from the root down to the parent.
    private List<Node> above(Path path) throws WireException {
        List<Node> above = new ArrayList<>(path.depth());
        Node at = root;
        for (int level = 0; level < path.depth(); level++) {
            if (at == null) {
                throw new WireException("a node without its parent: " + path);
            }
            above.add(at);
            at = at.child(path, level);
        }
        return above;
    }

    private void replace(List<Node> above, Node changedNode) {
        Node node = changedNode;
        for (Node parent : above.reversed()) {
            node = parent.withChild(node, parent.generation());
        }
        root = node;
    }
}
