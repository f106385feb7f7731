package io.xenemu.xenstore;

import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
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
            removeBelow(root, watch, path, 0);
        }
    }

    private static void removeBelow(Spot spot, Watch watch, Path path, int level) {
        if (level == path.depth()) {
            spot.watches.remove(watch);
            return;
        }
        String name = path.nameText(level);
        Spot next = spot.below.get(name);
        if (next != null) {
            removeBelow(next, watch, path, level + 1);
            if (next.isEmpty()) {
                spot.below.remove(name);
            }
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
                    fireBelow(spot, path, node);
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

    /// Watches on nodes that went away with `removed` get an event of their own path, the deepest first.
    private static void fireBelow(Spot spot, Path path, Node removed) {
        if (spot.below.isEmpty()) {
            return;
        }
        for (Map.Entry<String, Spot> entry : spot.below.entrySet()) {
            Path childPath = path.child(entry.getKey());
            Node child = removed.child(childPath, path.depth());
            if (child == null) {
                continue; // a watch on a missing node sees nothing, as in C xenstored
            }
            fireBelow(entry.getValue(), childPath, child);
            for (Watch watch : entry.getValue().watches) {
                if (NodeEvent.visible(
                        watch.session().caller(),
                        child.permissions(),
                        null,
                        removed.permissions())) {
                    watch.fire(childPath);
                }
            }
        }
    }
}
