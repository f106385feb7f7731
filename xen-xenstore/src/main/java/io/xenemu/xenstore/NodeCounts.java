package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.tree.Node;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// How many nodes each domain owns. A transaction counts its own changes on top of the store's.
final class NodeCounts {
    private final @Nullable NodeCounts below;
    private final Map<DomId, Integer> counts = new HashMap<>();

    NodeCounts(@Nullable NodeCounts below) {
        this.below = below;
    }

    /// Counts a whole tree.
    static NodeCounts of(Node root) {
        NodeCounts counts = new NodeCounts(null);
        counts.addAll(root, 1);
        return counts;
    }

    /// Adds or, with `change` -1, takes off a node and everything below. Not recursive: a tree may be deeper than the stack
    /// of a thread that runs a guest.
    void addAll(Node node, int change) {
        ArrayDeque<Node> left = new ArrayDeque<>();
        left.push(node);
        while (!left.isEmpty()) {
            Node next = left.pop();
            add(next.permissions().owner(), change);
            next.children().forEach(left::push);
        }
    }

    int of(DomId domain) {
        return counts.getOrDefault(domain, 0) + (below == null ? 0 : below.of(domain));
    }

    void add(DomId domain, int change) {
        if (counts.merge(domain, change, Integer::sum) == 0) {
            counts.remove(domain);
        }
    }

    /// Adds all of this to the counts below, on commit.
    void mergeDown() {
        if (below == null) {
            throw new IllegalStateException("nothing below");
        }
        counts.forEach(below::add);
        counts.clear();
    }

    int total() {
        return counts.values().stream().mapToInt(Integer::intValue).sum();
    }
}
