package io.xenemu.xenstore.store;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.Request;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/// Removes a released domain from the tree: the nodes that it owns, and its entries in the permissions of other
/// nodes. Walks the whole tree, once per release.
final class DomainRemoval {
    private DomainRemoval() {}

    private record Place(Path path, Node node) {}

    static void from(TreeEditor editor, DomId domain) {
        for (Request.Change change : changes(editor.root(), domain)) {
            try {
                editor.apply(Caller.DOM0, change);
            } catch (XenError e) {
                throw new IllegalStateException(
                        "removal of " + domain + " failed at " + change.path(), e);
            }
        }
    }

    private static List<Request.Change> changes(Node root, DomId domain) {
        List<Request.Change> changes = new ArrayList<>();
        ArrayDeque<Place> left = new ArrayDeque<>();
        left.push(new Place(Path.ROOT, root));
        while (!left.isEmpty()) {
            Place place = left.pop();
            Permissions permissions = place.node.permissions();
            if (permissions.owner().equals(domain) && !place.path.isRoot()) {
                changes.add(new Request.Rm(place.path)); // with everything below
                continue;
            }
            Permissions rest = permissions.without(domain);
            if (rest.owner().equals(domain)) {
                rest = rest.ownedBy(DomId.DOM0); // the root, which stays
            }
            if (!rest.equals(permissions)) {
                changes.add(new Request.SetPerms(place.path, rest));
            }
            for (Node child : place.node.children().inOrder().reversed()) {
                left.push(new Place(place.path.child(child.name()), child));
            }
        }
        return changes;
    }
}
