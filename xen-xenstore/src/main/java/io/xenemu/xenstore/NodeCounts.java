package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.tree.Node;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// How many nodes each domain owns, and their bytes. A transaction counts its own changes on top of the store's.
///
/// The store's lock is held for changes. Meters read without it.
final class NodeCounts {
    /// What one domain owns; in a transaction what it has more, or less, than before.
    private static final class Owned {
        volatile int nodes;
        volatile long bytes;
    }

    private final @Nullable NodeCounts below;
    private final Map<DomId, Owned> counts = new ConcurrentHashMap<>();

    NodeCounts(@Nullable NodeCounts below) {
        this.below = below;
    }

    /// Counts a whole tree.
    static NodeCounts of(Node root) {
        NodeCounts counts = new NodeCounts(null);
        counts.addAll(root, 1);
        return counts;
    }

    /// What a node takes without its children, whose names are counted with them.
    static int bytes(Node node) {
        return Quota.NODE_HEADER
                + Quota.NODE_PERMISSION * node.permissions().size()
                + node.nameLength()
                + node.value().length;
    }

    /// Adds or, with `change` -1, takes off a node and everything below. Not recursive: a tree may be deeper than the stack
    /// of a thread that runs a guest.
    ///
    /// @return about what all of them take
    long addAll(Node node, int change) {
        long bytes = 0;
        ArrayDeque<Node> left = new ArrayDeque<>();
        left.push(node);
        while (!left.isEmpty()) {
            Node next = left.pop();
            add(next, change);
            bytes += Node.VERSION_BYTES + next.value().length;
            next.children().forEach(left::push);
        }
        return bytes;
    }

    /// Adds or, with `change` -1, takes off one node.
    void add(Node node, int change) {
        add(node.permissions().owner(), change, (long) change * bytes(node));
    }

    /// Takes `after` for what was `before`.
    void replace(Node before, Node after) {
        DomId owner = before.permissions().owner();
        if (!owner.equals(after.permissions().owner())) {
            add(before, -1);
            add(after, 1);
            return;
        }
        int growth = bytes(after) - bytes(before);
        if (growth != 0) {
            add(owner, 0, growth);
        }
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // the lock is held
    void add(DomId domain, int nodes, long bytes) {
        Owned owned = counts.get(domain);
        if (owned == null) {
            owned = new Owned();
            counts.put(domain, owned);
        }
        owned.nodes += nodes;
        owned.bytes += bytes;
        if (owned.nodes == 0 && owned.bytes == 0) {
            counts.remove(domain);
        }
    }

    int nodes(DomId domain) {
        Owned owned = counts.get(domain);
        return (owned == null ? 0 : owned.nodes) + (below == null ? 0 : below.nodes(domain));
    }

    long bytes(DomId domain) {
        Owned owned = counts.get(domain);
        return (owned == null ? 0 : owned.bytes) + (below == null ? 0 : below.bytes(domain));
    }

    /// Adds all of this to the counts below, on commit.
    void mergeDown() {
        if (below == null) {
            throw new IllegalStateException("nothing below");
        }
        counts.forEach((domain, owned) -> below.add(domain, owned.nodes, owned.bytes));
        counts.clear();
    }

    int total() {
        return counts.values().stream().mapToInt(owned -> owned.nodes).sum();
    }

    long totalBytes() {
        return counts.values().stream().mapToLong(owned -> owned.bytes).sum();
    }

    /// Whether each domain owns as much by both.
    boolean agrees(NodeCounts other) {
        return counts.keySet().equals(other.counts.keySet())
                && counts.keySet().stream()
                        .allMatch(domain ->
                                nodes(domain) == other.nodes(domain)
                                        && bytes(domain) == other.bytes(domain));
    }
}
