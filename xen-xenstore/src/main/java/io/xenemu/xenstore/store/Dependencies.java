package io.xenemu.xenstore.store;

import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.state.XenStoreState.TransactionState;
import io.xenemu.xenstore.tree.Children;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// The parts of the tree, by node and aspect, on which the answers of a transaction depend. While all of them are the
/// same in the current tree, the transaction can be committed or continued there: repeating its changes gives the same
/// answers.
///
/// This is finer than C xenstored, where any outside write to a node that the transaction touched makes the commit
/// fail. It is a little finer than oxenstored, which replays. A node is no conflict if it was only written, or if its
/// value was changed outside and changed back.
///
/// Facts outside the tree are checked at each request, as in C xenstored: the existing domains, and the limits of
/// their accounts. But a request that a quota refused depends on many nodes: any change conflicts with it.
final class Dependencies {
    static final int ABSENT = TransactionState.ABSENT;
    static final int EXISTS = TransactionState.EXISTS;
    static final int VALUE = TransactionState.VALUE;
    static final int PERMISSIONS = TransactionState.PERMISSIONS;
    static final int CHILDREN = TransactionState.CHILDREN;

    /// About the bytes of an entry, without its path and what was seen.
    private static final int ENTRY_BYTES = 96;

    private static final byte[] NOTHING = new byte[0];

    /// The parts of a node that were seen; not the node itself, which would keep its whole subtree in memory.
    private static final class Seen {
        int aspects;
        byte[] value = NOTHING;
        byte[] listing = NOTHING;
        @Nullable Permissions permissions;
    }

    private final LongConsumer growth;
    private final Map<Path, Seen> seen = new LinkedHashMap<>();
    private @Nullable Node base;
    private @Nullable SpecialPermissions special;
    private boolean onAll;
    private long bytes;

    /// @param store at the version when the transaction started
    /// @param growth receives the bytes by which the dependencies grow
    Dependencies(TreeEditor store, LongConsumer growth) {
        this.growth = growth;
        rebase(store);
    }

    /// Whether the store is still the version that answers come from.
    @SuppressWarnings("ReferenceEquality") // a version is one object
    boolean isBase(TreeEditor store) {
        return base == store.root() && special == store.special();
    }

    /// Takes later answers from the store as it is now; the answers given so far are true there.
    void rebase(TreeEditor store) {
        base = store.root();
        special = store.special();
    }

    /// Gives up the version; no answers may be noted until [#rebase].
    void letGo() {
        base = null;
        special = null;
    }

    /// The aspects by path, for saved state.
    Map<Path, Integer> aspects() {
        Map<Path, Integer> aspects = new LinkedHashMap<>();
        seen.forEach((path, entry) -> aspects.put(path, entry.aspects));
        return aspects;
    }

    /// The number of nodes with a dependency.
    int size() {
        return seen.size();
    }

    /// Takes over saved dependencies, instead of those that repeated changes have added.
    void restore(Map<Path, Integer> saved) {
        seen.clear();
        grow(-bytes);
        saved.forEach((path, aspects) -> add(path, aspects, find(path)));
    }

    private @Nullable Node find(Path path) {
        if (base == null) {
            throw new IllegalStateException("the transaction has no version of the tree");
        }
        return path.isSpecial() ? null : base.find(path);
    }

    private @Nullable Permissions findPermissions(Path path) {
        return permissions(path, find(path), special);
    }

    private static @Nullable Permissions permissions(
            Path path, @Nullable Node node, @Nullable SpecialPermissions special) {
        if (path.isSpecial()) {
            return special == null ? null : special.of(path);
        }
        return node == null ? null : node.permissions();
    }

    private void add(Path path, int aspects, @Nullable Node node) {
        Seen entry = seen.get(path);
        if (entry == null) {
            entry = new Seen();
            seen.put(path, entry);
            grow(ENTRY_BYTES + path.bytes());
        }
        int added = aspects & ~entry.aspects;
        entry.aspects |= aspects;
        long more = 0;
        if ((added & PERMISSIONS) != 0) {
            Permissions permissions = permissions(path, node, special);
            entry.permissions = permissions;
            more += permissions == null ? 0 : (long) Quota.NODE_PERMISSION * permissions.size();
        }
        if (node == null) {
            grow(more);
            return;
        }
        if ((added & VALUE) != 0) {
            entry.value = node.value();
            more += entry.value.length;
        }
        if ((added & CHILDREN) != 0) {
            entry.listing = node.children().listing();
            more += entry.listing.length;
        }
        grow(more);
    }

    private void grow(long more) {
        bytes += more;
        growth.accept(more);
    }

    // What the transaction itself has created, removed or written does not depend on the outside;
    // so the methods below compare with the base.

    void absent(Path path) {
        if (find(path) == null) {
            add(path, ABSENT, null);
        }
    }

    void exists(Path path) {
        Node before = find(path);
        if (before != null) {
            add(path, EXISTS, before);
        }
    }

    void value(Path path, Node now) {
        Node before = find(path);
        if (before != null && Arrays.equals(before.value(), now.value())) {
            add(path, VALUE, before);
        }
    }

    /// @param path a node or a special name
    void permissions(Path path, Permissions now) {
        if (Objects.equals(now, findPermissions(path))) {
            add(path, PERMISSIONS, find(path));
        }
    }

    void children(Path path) {
        Node before = find(path);
        if (before != null) {
            add(path, CHILDREN, before);
        }
    }

    /// Notes an answer that depends on more nodes than are worth naming.
    void all() {
        onAll = true;
    }

    /// Whether [#all] has been called, which saved state cannot express.
    boolean areOnAll() {
        return onAll;
    }

    /// Whether everything in it is the same in the store now.
    boolean holdIn(TreeEditor store) {
        if (isBase(store)) {
            return true;
        }
        if (onAll) {
            return false;
        }
        for (Map.Entry<Path, Seen> entry : seen.entrySet()) {
            if (!holds(entry.getKey(), entry.getValue(), store)) {
                return false;
            }
        }
        return true;
    }

    private static boolean holds(Path path, Seen seen, TreeEditor store) {
        if (path.isSpecial()) {
            return (seen.aspects & PERMISSIONS) == 0
                    || Objects.equals(seen.permissions, store.special().of(path));
        }
        return holds(seen, store.root().find(path));
    }

    private static boolean isListing(byte[] listing, Children children) {
        return listing.length == children.listingLength()
                && Arrays.equals(listing, children.listing());
    }

    private static boolean holds(Seen seen, @Nullable Node now) {
        if ((seen.aspects & ABSENT) != 0) {
            return now == null && seen.aspects == ABSENT;
        }
        return now != null
                && ((seen.aspects & VALUE) == 0 || Arrays.equals(seen.value, now.value()))
                && ((seen.aspects & PERMISSIONS) == 0
                        || Objects.equals(seen.permissions, now.permissions()))
                && ((seen.aspects & CHILDREN) == 0 || isListing(seen.listing, now.children()));
    }
}
