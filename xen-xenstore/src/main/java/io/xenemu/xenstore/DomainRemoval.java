package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.Request;
import java.util.ArrayList;
import java.util.List;

/// Takes everything that names a released domain out of the tree: nodes that it owns, and what permissions grant it
/// elsewhere. Walks the whole tree, once per release.
final class DomainRemoval {
    private DomainRemoval() {}

    static void from(TreeEditor editor, DomId domain) {
        List<Request.Change> changes = new ArrayList<>();
        collect(editor.root(), Path.ROOT, domain, changes);
        for (Request.Change change : changes) {
            try {
                editor.apply(Caller.DOM0, change);
            } catch (XenError e) {
                throw new IllegalStateException(
                        "removal of " + domain + " failed at " + change.path(), e);
            }
        }
    }

    private static void collect(Node node, Path path, DomId domain, List<Request.Change> changes) {
        Permissions permissions = node.permissions();
        if (permissions.owner().equals(domain) && !path.isRoot()) {
            changes.add(new Request.Rm(path));
            return; // with everything below
        }
        Permissions rest = permissions.without(domain);
        if (!rest.equals(permissions)) {
            changes.add(new Request.SetPerms(path, rest));
        }
        for (Node child : node.children().inOrder()) {
            collect(child, path.child(child.name()), domain, changes);
        }
    }
}
