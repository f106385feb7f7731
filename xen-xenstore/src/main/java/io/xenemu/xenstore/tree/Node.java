package io.xenemu.xenstore.tree;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// One immutable node: name, value, permissions and children. A change makes new nodes along the path to the root and
/// shares everything else, so a snapshot of the whole store is one reference.
public final class Node {
    /// About the bytes of one version of a node, without its value: the node, its name, and its place among its
    /// siblings.
    public static final int VERSION_BYTES = 512;

    private static final byte[] NO_BYTES = new byte[0];

    private final byte[] name;
    private final int hash;
    private final byte[] value;
    private final Permissions permissions;
    private final Children children;
    private final long ordinal;
    private final long generation;

    private Node(
            byte[] name,
            int hash,
            byte[] value,
            Permissions permissions,
            Children children,
            long ordinal,
            long generation) {
        this.name = name;
        this.hash = hash;
        this.value = value;
        this.permissions = permissions;
        this.children = children;
        this.ordinal = ordinal;
        this.generation = generation;
    }

    /// An empty root.
    public static Node root(Permissions permissions) {
        return new Node(NO_BYTES, 0, NO_BYTES, permissions, Children.EMPTY, 0, 0);
    }

    /// A new node without value and children.
    ///
    /// @param generation the store's change counter; it also orders the node after its older siblings
    public static Node create(byte[] name, Permissions permissions, long generation) {
        return new Node(
                name,
                Path.hashOf(name),
                NO_BYTES,
                permissions,
                Children.EMPTY,
                generation,
                generation);
    }

    /// The same node with the fields of saved state.
    public Node restored(
            byte[] newValue, Permissions newPermissions, long newOrdinal, long newGeneration) {
        return new Node(name, hash, newValue, newPermissions, children, newOrdinal, newGeneration);
    }

    /// The name within the parent; empty for the root.
    public String name() {
        return new String(name, StandardCharsets.ISO_8859_1);
    }

    /// Length of the name in bytes.
    public int nameLength() {
        return name.length;
    }

    byte[] nameBytes() {
        return name;
    }

    /// The value. Must not be modified: it is shared, not copied.
    public byte[] value() {
        return value;
    }

    /// Owner and access list.
    public Permissions permissions() {
        return permissions;
    }

    /// The immediate children.
    public Children children() {
        return children;
    }

    /// A number that changes with the value, the permissions or the set of children (not with a child's own changes).
    public long generation() {
        return generation;
    }

    /// The creation order among siblings.
    public long ordinal() {
        return ordinal;
    }

    int hash() {
        return hash;
    }

    boolean isNamed(byte[] text, int from, int to, int otherHash) {
        return hash == otherHash && Arrays.equals(name, 0, name.length, text, from, to);
    }

    /// The same node with another value.
    public Node withValue(byte[] newValue, long newGeneration) {
        return new Node(name, hash, newValue, permissions, children, ordinal, newGeneration);
    }

    /// The same node with other permissions.
    public Node withPermissions(Permissions newPermissions, long newGeneration) {
        return new Node(name, hash, value, newPermissions, children, ordinal, newGeneration);
    }

    /// The same node with `child` added, or replacing the child of that name.
    ///
    /// @param newGeneration used if the child is new
    public Node withChild(Node child, long newGeneration) {
        Children changed = children.with(child);
        long next = changed.size() == children.size() ? generation : newGeneration;
        return new Node(name, hash, value, permissions, changed, ordinal, next);
    }

    /// The same node without `child`, which must be there.
    public Node withoutChild(Node child, long newGeneration) {
        return new Node(
                name, hash, value, permissions, children.without(child), ordinal, newGeneration);
    }

    /// The child that `path` names at `level`, or null.
    public @Nullable Node child(Path path, int level) {
        return children.get(path.text(), path.start(level), path.end(level), path.hash(level));
    }

    /// The child of that name, or null.
    public @Nullable Node child(String childName) {
        byte[] bytes = childName.getBytes(StandardCharsets.ISO_8859_1);
        return children.get(bytes, 0, bytes.length, Path.hashOf(bytes));
    }

    /// The node at `path` below this root, or null.
    public @Nullable Node find(Path path) {
        Node at = this;
        for (int level = 0; level < path.depth() && at != null; level++) {
            at = at.child(path, level);
        }
        return at;
    }
}
