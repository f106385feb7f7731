package io.xenemu.xenstore.store;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.persist.RecordSize;
import io.xenemu.xenstore.quota.Account;
import io.xenemu.xenstore.quota.NodeCounts;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.Request;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// Reads and changes one version of the tree and of the special permissions for a caller, with permission checks and
/// quotas. The store has one; each transaction has its own, which also notes the transaction's dependencies.
final class TreeEditor {
    private static final byte[] NO_BYTES = new byte[0];

    private final NodeCounts counts;
    private final LongSupplier generations;
    private final Consumer<NodeEvent> events;
    private final @Nullable Dependencies dependencies;

    private ChangeRoom room = _ -> true;
    private Node root;
    private SpecialPermissions special;
    private long replacedBytes;
    private long recordBytes;
    // The nodes from the root down to the end of the last locate().
    private @Nullable Node[] spine = new Node[16];

    TreeEditor(
            Node root,
            SpecialPermissions special,
            NodeCounts counts,
            LongSupplier generations,
            Consumer<NodeEvent> events,
            @Nullable Dependencies dependencies) {
        this.root = root;
        this.special = special;
        this.counts = counts;
        this.generations = generations;
        this.events = events;
        this.dependencies = dependencies;
    }

    Node root() {
        return root;
    }

    SpecialPermissions special() {
        return special;
    }

    /// Sets the special permissions; the caller has checked that this is allowed.
    void special(SpecialPermissions changed) {
        special = changed;
    }

    /// Sets the room for changes; a change without room is refused from now on.
    void keptIn(ChangeRoom changeRoom) {
        room = changeRoom;
    }

    /// Reserves room for a change, just before it is made.
    ///
    /// @throws XenError ENOSPC if there is no room, as xenstored with a full disk
    void keep(long bytes) throws XenError {
        if (!room.promise(bytes)) {
            throw XenError.ENOSPC;
        }
        recordBytes += bytes;
    }

    /// The most bytes that all changes so far take in a file.
    long recordBytes() {
        return recordBytes;
    }

    /// Takes over the version that another editor has made from this one.
    void take(TreeEditor other) {
        root = other.root;
        special = other.special;
        replacedBytes += other.replacedBytes;
        other.counts.mergeDown();
    }

    /// About the bytes of all nodes that changes have replaced or removed so far, whether or not they are still in
    /// use.
    long replacedBytes() {
        return replacedBytes;
    }

    NodeCounts counts() {
        return counts;
    }

    byte[] read(Caller caller, Path path) throws XenError {
        Node node = readable(caller, path);
        if (dependencies != null) {
            dependencies.value(path, node);
        }
        return node.value();
    }

    /// The node whose children a caller lists.
    Node directory(Caller caller, Path path) throws XenError {
        Node node = readable(caller, path);
        if (dependencies != null) {
            dependencies.children(path);
        }
        return node;
    }

    Permissions permissions(Caller caller, Path path) throws XenError {
        if (path.isSpecial()) {
            Permissions permissions = specialPermissions(caller, path, caller::canRead);
            if (!caller.canRead(permissions)) {
                throw XenError.EACCES;
            }
            return permissions;
        }
        Node node = readable(caller, path);
        if (dependencies != null) {
            dependencies.permissions(path, node.permissions());
        }
        return node.permissions();
    }

    /// The permissions of a special name, which the caller has yet to apply. In C xenstored special names are children
    /// of the root. So here, too, only a caller with the right to the nearest name above learns that a name does not
    /// exist.
    private Permissions specialPermissions(
            Caller caller, Path name, Predicate<Permissions> allowedAbove) throws XenError {
        Permissions permissions = special.of(name);
        if (permissions == null) {
            Path above = SpecialPermissions.above(name);
            Permissions nearest = special.of(above);
            nearest = nearest == null ? root.permissions() : nearest;
            if (dependencies != null && !caller.isPrivileged()) {
                dependencies.permissions(above, nearest);
            }
            throw allowedAbove.test(nearest) ? XenError.ENOENT : XenError.EACCES;
        }
        if (dependencies != null) {
            dependencies.permissions(name, permissions);
        }
        return permissions;
    }

    void apply(Caller caller, Request.Change change) throws XenError {
        switch (change) {
            case Request.Write(Path path, byte[] value) -> write(caller, path, value);
            case Request.Mkdir(Path path) -> mkdir(caller, path);
            case Request.Rm(Path path) -> rm(caller, path);
            case Request.SetPerms(Path path, Permissions permissions) ->
                    setPermissions(caller, path, permissions);
        }
    }

    private void write(Caller caller, Path path, byte[] value) throws XenError {
        if (value.length > MessageHeader.PAYLOAD_MAX) {
            throw XenError.E2BIG; // only our own callers can ask for it: no reader could be sent it
        }
        int reached = locate(path);
        if (reached < path.depth()) {
            create(caller, path, reached, value);
            return;
        }
        Node node = at(reached);
        checkWritable(caller, path, reached);
        checkSize(
                caller, node.permissions().size(), value.length + node.children().listingLength());
        Node written = node.withValue(value, generations.getAsLong());
        checkMemory(caller, node.permissions().owner(), value.length - node.value().length);
        keep(RecordSize.node(path.length(), value.length, node.permissions().size()));
        counts.replace(node, written);
        replacedBytes += node.value().length;
        spine[reached] = written;
        replaceAbove(reached);
        events.accept(
                new NodeEvent.Written(
                        path, node.permissions(), node.permissions(), parentPermissions(reached)));
    }

    /// Puts a saved node in its place, whatever is there, and keeps the nodes below.
    void restore(XenStoreState.NodeState state) throws XenError {
        Path path = state.path();
        int reached = locate(path);
        if (reached < path.depth()) {
            create(Caller.DOM0, path, reached, NO_BYTES);
            reached = locate(path);
        }
        Node before = at(reached);
        Node restored =
                before.restored(
                        state.value(), state.permissions(), state.ordinal(), state.generation());
        counts.replace(before, restored);
        replacedBytes += before.value().length;
        spine[reached] = restored;
        replaceAbove(reached);
        events.accept(
                new NodeEvent.Written(
                        path,
                        before.permissions(),
                        state.permissions(),
                        parentPermissions(reached)));
    }

    private void mkdir(Caller caller, Path path) throws XenError {
        int reached = locate(path);
        if (reached < path.depth()) {
            create(caller, path, reached, NO_BYTES);
        } else {
            checkWritable(caller, path, reached);
        }
    }

    private void create(Caller caller, Path path, int reached, byte[] value) throws XenError {
        Node parent = at(reached);
        checkWritable(caller, path, reached);
        if (dependencies != null) {
            // The permissions are inherited.
            dependencies.permissions(path.prefix(reached), parent.permissions());
        }
        // A guest owns what it creates; the rest of the list comes from the parent.
        Permissions permissions =
                caller.isPrivileged()
                        ? parent.permissions()
                        : parent.permissions().ownedBy(caller.domain());
        int created = path.depth() - reached;
        Account account = caller.account();
        if (account != null) {
            account.use(Quota.NODES, (long) counts.nodes(caller.domain()) + created);
        }
        int nameLength = path.length(reached + 1) - path.length(reached);
        checkSize(caller, permissions.size(), value.length);
        checkSize(
                caller,
                parent.permissions().size(),
                parent.value().length + parent.children().listingLength() + nameLength);

        int bytes =
                created * (Quota.NODE_HEADER + Quota.NODE_PERMISSION * permissions.size() - 1)
                        + path.length()
                        - path.length(reached)
                        + value.length;
        checkMemory(caller, permissions.owner(), bytes);
        keep(created * RecordSize.node(path.length(), 0, permissions.size()) + value.length);

        Node node = Node.create(path.name(path.depth() - 1), permissions, generations.getAsLong());
        if (value.length > 0) {
            node = node.withValue(value, node.generation());
        }
        for (int level = path.depth() - 2; level >= reached; level--) {
            long generation = generations.getAsLong();
            node =
                    Node.create(path.name(level), permissions, generation)
                            .withChild(node, generation);
        }
        spine[reached] = parent.withChild(node, generations.getAsLong());
        replaceAbove(reached);
        counts.add(permissions.owner(), created, bytes);
        Permissions above = created > 1 ? permissions : parent.permissions();
        events.accept(new NodeEvent.Written(path, null, permissions, above));
    }

    private void rm(Caller caller, Path path) throws XenError {
        int reached = locate(path);
        checkWritable(caller, path, reached);
        if (path.isRoot()) {
            throw XenError.EINVAL;
        }
        if (reached < path.depth()) {
            if (reached == path.depth() - 1) {
                if (dependencies != null) {
                    dependencies.exists(path.prefix(reached));
                }
                return; // nothing to remove; the parent exists
            }
            throw XenError.ENOENT;
        }
        keep(RecordSize.removed(path.length()));
        Node node = at(reached);
        Node parent = at(reached - 1);
        spine[reached - 1] = parent.withoutChild(node, generations.getAsLong());
        replaceAbove(reached - 1);
        replacedBytes += counts.addAll(node, -1);
        events.accept(new NodeEvent.Removed(path, node, parent.permissions()));
    }

    private void setPermissions(Caller caller, Path path, Permissions permissions) throws XenError {
        if (path.isSpecial()) {
            checkOwner(
                    caller,
                    specialPermissions(caller, path, caller::canWrite),
                    permissions.owner());
            keep(RecordSize.SPECIAL);
            special = special.with(path, permissions);
            return;
        }
        int reached = locate(path);
        checkWritable(caller, path, reached);
        if (reached < path.depth()) {
            throw XenError.ENOENT;
        }
        Node node = at(reached);
        DomId owner = node.permissions().owner();
        checkOwner(caller, node.permissions(), permissions.owner());
        checkSize(
                caller, permissions.size(), node.value().length + node.children().listingLength());
        checkMemory(
                caller,
                owner,
                Quota.NODE_PERMISSION * (permissions.size() - node.permissions().size()));
        keep(RecordSize.node(path.length(), node.value().length, permissions.size()));
        Node changed = node.withPermissions(permissions, generations.getAsLong());
        counts.replace(node, changed);
        spine[reached] = changed;
        replaceAbove(reached);
        events.accept(
                new NodeEvent.Written(
                        path, node.permissions(), permissions, parentPermissions(reached)));
    }

    /// Only an owner may set permissions, and only domain 0 may give a node away.
    private static void checkOwner(Caller caller, Permissions now, DomId newOwner) throws XenError {
        if (!caller.owns(now)) {
            throw XenError.EACCES;
        }
        if (!caller.isPrivileged() && !now.owner().equals(newOwner)) {
            throw XenError.EPERM;
        }
    }

    private Node readable(Caller caller, Path path) throws XenError {
        int reached = locate(path);
        Node nearest = at(reached);
        if (dependencies != null && !caller.isPrivileged()) {
            dependencies.permissions(path.prefix(reached), nearest.permissions());
        }
        // Only a caller that may read the nearest existing node above learns that a node is
        // missing.
        if (!caller.canRead(nearest.permissions())) {
            throw XenError.EACCES;
        }
        if (reached < path.depth()) {
            throw XenError.ENOENT;
        }
        return nearest;
    }

    /// Checks the node itself, or the nearest existing one above.
    private void checkWritable(Caller caller, Path path, int reached) throws XenError {
        if (caller.isPrivileged()) {
            return;
        }
        Node nearest = at(reached);
        if (dependencies != null) {
            dependencies.permissions(path.prefix(reached), nearest.permissions());
        }
        if (!caller.canWrite(nearest.permissions())) {
            throw XenError.EACCES;
        }
    }

    private void checkSize(Caller caller, int permissions, int contents) throws XenError {
        Account account = caller.account();
        if (account != null) {
            account.use(
                    Quota.NODE_SIZE,
                    Quota.NODE_HEADER + Quota.NODE_PERMISSION * permissions + contents);
        }
    }

    /// Checks the memory quota for a guest's changes to its own nodes. Its changes to another domain's nodes are
    /// bounded by that domain's limits of nodes and node sizes, and do not count as that domain's doing.
    private void checkMemory(Caller caller, DomId owner, int growth) throws XenError {
        Account account = caller.account();
        if (account != null && growth > 0 && owner.equals(caller.domain())) {
            account.useMemory(counts.bytes(caller.domain()) + account.memoryBesideNodes() + growth);
        }
    }

    /// Walks down. Returns the level of the last existing node; the root has level 0.
    private int locate(Path path) throws XenError {
        if (path.isSpecial()) {
            throw XenError.EINVAL;
        }
        int depth = path.depth();
        if (spine.length <= depth) {
            spine = Arrays.copyOf(spine, depth + 1);
        }
        Node node = root;
        spine[0] = node;
        int level = 0;
        while (level < depth) {
            Node child = node.child(path, level);
            if (child == null) {
                break;
            }
            node = child;
            spine[++level] = node;
        }
        if (dependencies != null) {
            if (level < depth) {
                dependencies.absent(path.prefix(level + 1));
            } else {
                dependencies.exists(path);
            }
        }
        return level;
    }

    private Node at(int level) {
        Node node = spine[level];
        if (node == null) {
            throw new IllegalStateException("not located: level " + level);
        }
        return node;
    }

    private @Nullable Permissions parentPermissions(int level) {
        return level == 0 ? null : at(level - 1).permissions();
    }

    /// Makes a new version of the tree with the changed node at `level` of the spine.
    private void replaceAbove(int level) {
        replacedBytes += (level + 1L) * Node.VERSION_BYTES;
        Node node = at(level);
        for (int above = level - 1; above >= 0; above--) {
            Node parent = at(above);
            node = parent.withChild(node, parent.generation());
            spine[above] = node;
        }
        root = node;
    }
}
