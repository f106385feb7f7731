package io.xenemu.xenstore.tree;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// The changes from one version of a tree to another. Versions share their unchanged parts, which are not looked at.
/// So comparing costs about as much as making the changes did.
public final class TreeDifference {
    private static final byte[] NO_BYTES = new byte[0];

    /// Receives the changes, parents before children. Applying them in this order to the first tree makes the second,
    /// except for generations: a node that is not named keeps its own.
    public interface Changes {
        /// A node is new, or its own value, permissions or place among its siblings have changed. Its children are
        /// not included.
        ///
        /// @param path the text of its path; "/" for the root
        void put(byte[] path, Node node);

        /// A node is gone with everything below.
        void removed(byte[] path);
    }

    /// Two versions of a node whose children have yet to be compared.
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Pair(byte[] path, @Nullable Node before, Node after) {}

    private final Changes changes;
    // Not recursive: a tree may be deeper than a thread's stack.
    private final ArrayDeque<Pair> left = new ArrayDeque<>();

    private TreeDifference(Changes changes) {
        this.changes = changes;
    }

    /// Passes on the changes from the tree below `before` to the one below `after`.
    ///
    /// @param before the old root, or null for no tree at all
    public static void between(@Nullable Node before, Node after, Changes changes) {
        new TreeDifference(changes).run(before, after);
    }

    private void run(@Nullable Node before, Node after) {
        node(NO_BYTES, before, after);
        for (Pair pair = left.poll(); pair != null; pair = left.poll()) {
            byte[] parent = pair.path;
            Children old = pair.before == null ? Children.EMPTY : pair.before.children();
            Children.compare(old, pair.after.children(), (b, a) -> child(parent, b, a));
        }
    }

    private void child(byte[] parent, @Nullable Node before, @Nullable Node after) {
        if (after != null && before != null && before.ordinal() != after.ordinal()) {
            byte[] path = join(parent, after.nameBytes());
            changes.removed(path); // another node of the same name: what was below is not below it
            node(path, null, after);
        } else if (after != null) {
            node(join(parent, after.nameBytes()), before, after);
        } else if (before != null) {
            changes.removed(join(parent, before.nameBytes()));
        }
    }

    private void node(byte[] path, @Nullable Node before, Node after) {
        if (before == after) {
            return;
        }
        if (before == null || !sameContents(before, after)) {
            changes.put(path.length == 0 ? "/".getBytes(StandardCharsets.US_ASCII) : path, after);
        }
        if (before == null ? after.children().size() > 0 : before.children() != after.children()) {
            left.push(new Pair(path, before, after));
        }
    }

    private static boolean sameContents(Node before, Node after) {
        return before.ordinal() == after.ordinal()
                && Arrays.equals(before.value(), after.value())
                && before.permissions().equals(after.permissions());
    }

    private static byte[] join(byte[] parent, byte[] name) {
        byte[] path = Arrays.copyOf(parent, parent.length + 1 + name.length);
        path[parent.length] = '/';
        System.arraycopy(name, 0, path, parent.length + 1, name.length);
        return path;
    }
}
