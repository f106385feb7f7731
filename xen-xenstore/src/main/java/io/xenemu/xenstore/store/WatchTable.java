package io.xenemu.xenstore.store;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.quota.Account;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.Features;
import io.xenemu.xenstore.wire.Request;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// All watches by path: a change costs only as much as its own path and its watchers, however many other watches
/// there are.
final class WatchTable {
    private static final Comparator<Watch> REGISTRATION = Comparator.comparingLong(Watch::order);

    /// A place in the tree of watched paths: it has watches, or leads to some.
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
    private volatile int size;
    private long order;

    int size() {
        return size;
    }

    /// Registers a watch.
    ///
    /// @throws XenError EINVAL for an invalid depth; EEXIST if the session has the same watch; E2BIG or ENOMEM if its
    ///     domain may not have another one
    Watch register(Session session, Request.Watch request) throws XenError {
        checkDepth(session, request);
        Watch.Key key = new Watch.Key(request.path(), request.token());
        if (session.watches().containsKey(key)) {
            throw XenError.EEXIST;
        }
        Account account = session.caller().account();
        if (account != null) {
            account.use(Quota.WATCHES, account.watches() + 1L);
            account.useMemory(account.memory() + key.bytes());
        }
        return restore(session, key, request.relative(), request.depth());
    }

    private static void checkDepth(Session session, Request.Watch request) throws XenError {
        if (request.depth() == Request.Watch.ANY_DEPTH) {
            return;
        }
        if (!session.account().hasFeature(Features.WATCH_DEPTH)
                || (request.path().isSpecial() && request.depth() > SpecialWatches.DOMAIN_DEPTH)) {
            throw XenError.EINVAL;
        }
    }

    /// Registers a saved watch again, without the checks of [#register].
    Watch restore(Session session, Watch.Key key, boolean relative, int depth) {
        Watch watch = new Watch(order++, session, key, relative, depth);
        session.watches().put(key, watch);
        session.account().addWatch(key.bytes());
        add(watch);
        return watch;
    }

    /// @throws XenError ENOENT if the session has no such watch
    void unregister(Session session, Path path, byte[] token) throws XenError {
        Watch watch = session.watches().remove(new Watch.Key(path, token));
        if (watch == null) {
            throw XenError.ENOENT;
        }
        session.account().removeWatch(watch.key().bytes());
        remove(watch);
    }

    void unregisterAll(Session session) {
        for (Watch watch : session.watches().values()) {
            session.account().removeWatch(watch.key().bytes());
            remove(watch);
        }
        session.watches().clear();
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // the store's lock is held
    private void add(Watch watch) {
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

    @SuppressWarnings("NonAtomicVolatileUpdate") // as above
    private void remove(Watch watch) {
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

    /// Fires the watches that match a change and whose clients may see it.
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

    /// Fires `@introduceDomain` or `@releaseDomain`; first the watches that do not report the domain.
    void fireSpecial(Path path, DomId domain, Permissions permissions) {
        List<Watch> same = special.getOrDefault(path, List.of());
        Path ofDomain = Path.of(path + "/" + domain.value());
        for (Watch watch : same) {
            if (watch.depth() != SpecialWatches.DOMAIN_DEPTH) {
                fireSpecial(watch, path, permissions);
            }
        }
        for (Watch watch : same) {
            if (watch.depth() == SpecialWatches.DOMAIN_DEPTH) {
                fireSpecial(watch, ofDomain, permissions);
            }
        }
        for (Watch watch : special.getOrDefault(ofDomain, List.of())) {
            fireSpecial(watch, ofDomain, permissions);
        }
    }

    private static void fireSpecial(Watch watch, Path path, Permissions permissions) {
        if (watch.session().caller().canRead(permissions)) {
            watch.fire(path);
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
            if (watch.reaches(path)
                    && NodeEvent.visible(watch.session().caller(), before, after, parent)) {
                watch.fire(path);
            }
        }
        matches.clear();
    }

    /// A watched place below a removed node.
    private record Gone(Spot spot, Node node) {}

    /// Fires watches on nodes that went away with `removed`, each with its own path, the deepest first. Watches on
    /// missing nodes do not fire, as in C xenstored.
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
