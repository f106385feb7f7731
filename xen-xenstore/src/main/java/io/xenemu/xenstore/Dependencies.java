package io.xenemu.xenstore;

import io.xenemu.xenstore.XenStoreState.TransactionState;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What the answers given within a transaction depend on, node by node and aspect by aspect. As long as all of it is the
/// same in the current tree, the transaction can be committed there: its changes, repeated, give the same answers.
///
/// This is finer than C xenstored, where any outside write to a node that was touched makes the commit fail, and a
/// little finer than oxenstored, which replays: a node that was only written, or whose value was changed outside and
/// changed back, is no conflict.
final class Dependencies {
    static final int ABSENT = TransactionState.ABSENT;
    static final int EXISTS = TransactionState.EXISTS;
    static final int VALUE = TransactionState.VALUE;
    static final int PERMISSIONS = TransactionState.PERMISSIONS;
    static final int CHILDREN = TransactionState.CHILDREN;

    /// About what an entry takes beside its path.
    private static final int ENTRY_BYTES = 64;

    private final Node base;
    private final Map<Path, Integer> aspects = new LinkedHashMap<>();
    private long bytes;

    /// @param base the tree when the transaction started
    Dependencies(Node base) {
        this.base = base;
    }

    Node base() {
        return base;
    }

    Map<Path, Integer> aspects() {
        return aspects;
    }

    /// How many nodes there is a dependency on.
    int size() {
        return aspects.size();
    }

    /// About what they take.
    long bytes() {
        return bytes;
    }

    /// Forgets what repeated changes have added: it is as saved.
    void replace(Map<Path, Integer> saved) {
        aspects.clear();
        bytes = 0;
        saved.forEach(this::add);
    }

    void add(Path path, int aspect) {
        int before = aspects.size();
        aspects.merge(path, aspect, (a, b) -> a | b);
        if (aspects.size() != before) {
            bytes += ENTRY_BYTES + path.length();
        }
    }

    // What the transaction itself has created, removed or written does not depend on the outside;
    // hence the comparisons
    // with the base below.

    void absent(Path path) {
        if (base.find(path) == null) {
            add(path, ABSENT);
        }
    }

    void exists(Path path) {
        if (base.find(path) != null) {
            add(path, EXISTS);
        }
    }

    void value(Path path, Node seen) {
        Node before = base.find(path);
        if (before != null && Arrays.equals(before.value(), seen.value())) {
            add(path, VALUE);
        }
    }

    void permissions(Path path, Node seen) {
        Node before = base.find(path);
        if (before != null && before.permissions().equals(seen.permissions())) {
            add(path, PERMISSIONS);
        }
    }

    void children(Path path) {
        if (base.find(path) != null) {
            add(path, CHILDREN);
        }
    }

    /// Whether nothing of it has changed between the base and `current`.
    boolean holdIn(Node current) {
        for (Map.Entry<Path, Integer> entry : aspects.entrySet()) {
            if (!holds(entry.getValue(), base.find(entry.getKey()), current.find(entry.getKey()))) {
                return false;
            }
        }
        return true;
    }

    private static boolean holds(int aspects, @Nullable Node before, @Nullable Node now) {
        if (before == now) {
            return true;
        }
        if (before == null || now == null) {
            return false;
        }
        return ((aspects & VALUE) == 0 || Arrays.equals(before.value(), now.value()))
                && ((aspects & PERMISSIONS) == 0 || before.permissions().equals(now.permissions()))
                && ((aspects & CHILDREN) == 0 || before.children().sameNames(now.children()));
    }
}
