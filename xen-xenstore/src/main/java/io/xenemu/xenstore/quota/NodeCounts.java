package io.xenemu.xenstore.quota;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.tree.Node;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// The number of nodes that each domain owns, and their bytes. A transaction counts its own changes on top of the
/// store's.
///
/// Changes need the store's lock. Meters read without it.
public final class NodeCounts {
    /// The counts of one domain; in a transaction the difference to the store's.
    private static final class Owned {
        volatile int nodes;
        volatile long bytes;
    }

    private final @Nullable NodeCounts below;
    private final Map<DomId, Owned> counts = new ConcurrentHashMap<>();

    /// No nodes yet.
    ///
    /// @param below the counts that these are the difference to; null for none
    public NodeCounts(@Nullable NodeCounts below) {
        this.below = below;
    }

    /// Counts a whole tree.
    public static NodeCounts of(Node root) {
        NodeCounts counts = new NodeCounts(null);
        counts.addAll(root, 1);
        return counts;
    }

    /// Bytes of a node without its children; their names count as its own.
    public static int bytes(Node node) {
        return Quota.NODE_HEADER
                + Quota.NODE_PERMISSION * node.permissions().size()
                + node.nameLength()
                + node.value().length;
    }

    /// Adds a node and everything below, or removes it with `change` -1. Not recursive: a tree may be deeper than the
    /// stack of a thread that runs a guest.
    ///
    /// @return about the bytes of all of them
    public long addAll(Node node, int change) {
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

    /// Adds one node, or removes it with `change` -1.
    public void add(Node node, int change) {
        add(node.permissions().owner(), change, (long) change * bytes(node));
    }

    /// Counts `after` instead of `before`.
    public void replace(Node before, Node after) {
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

    /// Adds to the counts of a domain; negative numbers subtract.
    @SuppressWarnings("NonAtomicVolatileUpdate") // the lock is held
    public void add(DomId domain, int nodes, long bytes) {
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

    /// The number of nodes that a domain owns. Any thread.
    public int nodes(DomId domain) {
        Owned owned = counts.get(domain);
        return (owned == null ? 0 : owned.nodes) + (below == null ? 0 : below.nodes(domain));
    }

    /// The bytes of the nodes that a domain owns. Any thread.
    public long bytes(DomId domain) {
        Owned owned = counts.get(domain);
        return (owned == null ? 0 : owned.bytes) + (below == null ? 0 : below.bytes(domain));
    }

    /// Adds these counts to those below, on commit.
    public void mergeDown() {
        if (below == null) {
            throw new IllegalStateException("nothing below");
        }
        counts.forEach((domain, owned) -> below.add(domain, owned.nodes, owned.bytes));
        counts.clear();
    }

    /// The number of all nodes. Any thread.
    public int total() {
        return counts.values().stream().mapToInt(owned -> owned.nodes).sum();
    }

    /// The bytes of all nodes. Any thread.
    public long totalBytes() {
        return counts.values().stream().mapToLong(owned -> owned.bytes).sum();
    }

    /// Whether both have the same counts for each domain.
    public boolean agrees(NodeCounts other) {
        return counts.keySet().equals(other.counts.keySet())
                && counts.keySet().stream()
                        .allMatch(domain ->
                                nodes(domain) == other.nodes(domain)
                                        && bytes(domain) == other.bytes(domain));
    }
}
