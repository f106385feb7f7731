package io.xenemu.xenstore;

import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// All watches by path, so that a change costs what its own path and its watchers cost, however many watches there are
/// elsewhere.
final class WatchTable {
    private static final Comparator<Watch> REGISTRATION = Comparator.comparingLong(Watch::order);

    /// A place in the tree of watched paths, which has its watches or leads to some.
    private static final class Spot {
        final List<Watch> watches = new ArrayList<>(1);
        final Map<String, Spot> below = new HashMap<>(4);

        boolean isEmpty() {
            return watches.isEmpty() && below.isEmpty();
        }
    }

    private final Spot root = new Spot();
    private final Map<Path, List<Watch>> special = new HashMap<>();
    private final List<Watch> matches = new ArrayList<>();
    private int size;

    int size() {
        return size;
    }

    void add(Watch watch) {
        Path path = watch.key().path();
        size++;
        if (path.isSpecial()) {
            special.computeIfAbsent(path, p -> new ArrayList<>(1)).add(watch);
            return;
        }
        Spot spot = root;
        for (int level = 0; level < path.depth(); level++) {
            spot = spot.below.computeIfAbsent(path.nameText(level), n -> new Spot());
        }
        spot.watches.add(watch);
    }

    void remove(Watch watch) {
        Path path = watch.key().path();
        size--;
        if (path.isSpecial()) {
            List<Watch> same = special.get(path);
            if (same != null) {
                same.remove(watch);
                if (same.isEmpty()) {
                    special.remove(path);
                }
            }
        } else {
            removeFromTree(watch, path);
        }
    }

    private void removeFromTree(Watch watch, Path path) {
        Spot[] way = new Spot[path.depth() + 1];
        way[0] = root;
        for (int level = 0; level < path.depth(); level++) {
            way[level + 1] = Objects.requireNonNull(way[level].below.get(path.nameText(level)));
        }
        way[path.depth()].watches.remove(watch);
        for (int level = path.depth(); level > 0 && way[level].isEmpty(); level--) {
            way[level - 1].below.remove(path.nameText(level - 1));
        }
    }

    /// Fires the watches that match a change and whose clients may learn of it.
    void fire(NodeEvent event) {
        if (size == 0) {
            return;
        }
        switch (event) {
            case NodeEvent.Written(Path path, var before, var after, var parent) ->
                    fireAtAndAbove(path, before, after, parent);
            case NodeEvent.Removed(Path path, Node node, var parent) -> {
                Spot spot = find(path);
                if (spot != null) {
                    fireBelow(spot, node);
                }
                fireAtAndAbove(path, node.permissions(), null, parent);
            }
        }
    }

    /// Fires `@introduceDomain` or `@releaseDomain`.
    void fireSpecial(Path path, Permissions permissions) {
        for (Watch watch : special.getOrDefault(path, List.of())) {
            if (watch.session().caller().canRead(permissions)) {
                watch.fire(path);
            }
        }
    }

    private @Nullable Spot find(Path path) {
        Spot spot = root;
        for (int level = 0; level < path.depth() && spot != null; level++) {
            spot = spot.below.isEmpty() ? null : spot.below.get(path.nameText(level));
        }
        return spot;
    }

    private void fireAtAndAbove(
            Path path,
            @Nullable Permissions before,
            @Nullable Permissions after,
            @Nullable Permissions parent) {
        matches.clear();
        Spot spot = root;
        for (int level = 0; spot != null; level++) {
            matches.addAll(spot.watches);
            spot =
                    level == path.depth() || spot.below.isEmpty()
                            ? null
                            : spot.below.get(path.nameText(level));
        }
        if (matches.size() > 1) {
            matches.sort(REGISTRATION);
        }
        for (Watch watch : matches) {
            if (NodeEvent.visible(watch.session().caller(), before, after, parent)) {
                watch.fire(path);
            }
        }
        matches.clear();
    }

    /// A watched place below a removed node.
    private record Gone(Spot spot, Node node) {}

    /// Watches on nodes that went away with `removed` get an event of their own path, the deepest first. Watches on missing
    /// nodes get none, as in C xenstored.
    private static void fireBelow(Spot top, Node removed) {
        List<Watch> events = new ArrayList<>();
        ArrayDeque<Gone> left = new ArrayDeque<>();
        left.push(new Gone(top, removed));
        while (!left.isEmpty()) {
            Gone parent = left.pop();
            for (Map.Entry<String, Spot> entry : parent.spot.below.entrySet()) {
                Node child = parent.node.child(entry.getKey());
                if (child == null) {
                    continue;
                }
                left.push(new Gone(entry.getValue(), child));
                for (Watch watch : entry.getValue().watches) {
                    if (NodeEvent.visible(
                            watch.session().caller(),
                            child.permissions(),
                            null,
                            parent.node.permissions())) {
                        events.add(watch);
                    }
                }
            }
        }
        events.reversed().forEach(watch -> watch.fire(watch.key().path()));
    }
}
