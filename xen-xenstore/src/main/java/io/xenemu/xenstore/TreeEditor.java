package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.persist.RecordSize;
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

/// Reads and changes one version of the tree for a caller, with permission checks and quotas, and with it who may see
/// special events. The store has one; each transaction has its own, which also notes what the transaction depends on.
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
    // The nodes from the root down to where the last locate() came.
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

    /// Sets who may see special events, for who has looked whether that may be done.
    void special(SpecialPermissions changed) {
        special = changed;
    }

    /// Has changes refused from now on that cannot be kept.
    void keptIn(ChangeRoom changeRoom) {
        room = changeRoom;
    }

    /// Makes sure that a change can be kept, just before it is made.
    ///
    /// @throws XenError ENOSPC if not, as of xenstored when its disk is full
    void keep(long bytes) throws XenError {
        if (!room.promise(bytes)) {
            throw XenError.ENOSPC;
        }
        recordBytes += bytes;
    }

    /// What all changes so far take in a file at most.
    long recordBytes() {
        return recordBytes;
    }

    /// Takes over the version that another editor has made of this one.
    void take(TreeEditor other) {
        root = other.root;
        special = other.special;
        replacedBytes += other.replacedBytes;
        other.counts.mergeDown();
    }

    /// About the bytes of all nodes so far that a change has replaced or removed, whether or not anybody still has them.
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

    /// The node whose children are asked for.
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

    /// Those of a special name, for a caller that has yet to be checked by them. As in C xenstored, where special names are
    /// children of the root, that one does not exist is only told to those who may do the same to what is nearest above.
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

    /// Puts a saved node in its place, whatever is there, and keeps what is below.
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
            // They are inherited.
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
        // A missing node is only told to those who may read what is nearest above it.
        if (!caller.canRead(nearest.permissions())) {
            throw XenError.EACCES;
        }
        if (reached < path.depth()) {
            throw XenError.ENOENT;
        }
        return nearest;
    }

    /// For the node itself, or for the nearest existing one above.
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

    /// For what a guest does to its own nodes. What it does to those of another is within that one's limits of nodes and
    /// node sizes, which bound its memory, and does not become its fault.
    private void checkMemory(Caller caller, DomId owner, int growth) throws XenError {
        Account account = caller.account();
        if (account != null && growth > 0 && owner.equals(caller.domain())) {
            account.useMemory(counts.bytes(caller.domain()) + account.memoryBesideNodes() + growth);
        }
    }

    /// Walks down; returns the level of the last node that exists, 0 being the root.
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
