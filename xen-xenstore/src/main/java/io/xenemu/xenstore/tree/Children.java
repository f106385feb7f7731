package io.xenemu.xenstore.tree;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The immutable children of a node, by name: a hash array mapped trie of 32-way nodes.
///
/// An own structure, since no library combines three properties. A slice of a request's bytes is looked up without an
/// object for the key. The node is its own map entry, so that 100,000 nodes cost one object each. The encoded listing
/// is kept while children change their values but not their names. A change copies at most one 32-slot array per five
/// bits of hash, however many siblings there are. Names with equal 32-bit hashes share an array, which a guest's node
/// quota limits.
public final class Children {
    static final Children EMPTY =
            new Children(new Trie(0, new Object[0]), 0, 0, -1, Listing.unknown());

    private static final int BITS = 5;
    private static final int MASK = (1 << BITS) - 1;
    private static final int HASH_BITS = 32;

    /// Slots hold a [Node], a deeper [Trie], or a `Node[]` of equal hashes.
    @SuppressWarnings("ArrayRecordComponent") // never compared, never modified
    private record Trie(int bitmap, @Nullable Object[] slots) {
        int index(int bit) {
            return Integer.bitCount(bitmap & (bit - 1));
        }

        @Nullable Object slot(int bit) {
            return (bitmap & bit) == 0 ? null : slots[index(bit)];
        }
    }

    private final Trie trie;
    private final int size;
    private final int nameBytes;
    // No child has a larger ordinal.
    private final long last;
    // Shared by all versions of one directory that have the same names.
    private final Listing listing;

    private Children(Trie trie, int size, int nameBytes, long last, Listing listing) {
        this.trie = trie;
        this.size = size;
        this.nameBytes = nameBytes;
        this.last = last;
        this.listing = listing;
    }

    /// The number of children.
    public int size() {
        return size;
    }

    /// Length of [#listing] in bytes: the names, each with its NUL.
    public int listingLength() {
        return nameBytes;
    }

    @Nullable Node get(byte[] text, int from, int to, int hash) {
        return find(trie, text, from, to, hash, 0);
    }

    private static @Nullable Node find(
            Object start, byte[] text, int from, int to, int hash, int startShift) {
        Object at = start;
        for (int shift = startShift; at instanceof Trie t; shift += BITS) {
            int bit = 1 << ((hash >>> shift) & MASK);
            if ((t.bitmap & bit) == 0) {
                return null;
            }
            at = t.slots[t.index(bit)];
        }
        if (at instanceof Node node) {
            return node.isNamed(text, from, to, hash) ? node : null;
        }
        for (Node node : (Node[]) Objects.requireNonNull(at)) {
            if (node.isNamed(text, from, to, hash)) {
                return node;
            }
        }
        return null;
    }

    Children with(Node node) {
        Trie changed = put(trie, node, 0);
        byte[] name = node.nameBytes();
        Node before = get(name, 0, name.length, node.hash());
        long latest = Math.max(last, node.ordinal());
        if (before == null) {
            boolean youngest = size > 0 && node.ordinal() > last;
            Listing longer = youngest ? listing.withLast(name) : Listing.unknown();
            return new Children(changed, size + 1, nameBytes + name.length + 1, latest, longer);
        }
        boolean samePlace = before.ordinal() == node.ordinal();
        return new Children(
                changed, size, nameBytes, latest, samePlace ? listing : Listing.unknown());
    }

    Children without(Node node) {
        if (size == 1) {
            return EMPTY;
        }
        byte[] name = node.nameBytes();
        return new Children(
                remove(trie, node, 0),
                size - 1,
                nameBytes - name.length - 1,
                last,
                listing.without(name));
    }

    private static Trie put(Trie t, Node node, int shift) {
        int bit = 1 << ((node.hash() >>> shift) & MASK);
        int index = t.index(bit);
        if ((t.bitmap & bit) == 0) {
            @Nullable Object[] slots = new Object[t.slots.length + 1];
            System.arraycopy(t.slots, 0, slots, 0, index);
            slots[index] = node;
            System.arraycopy(t.slots, index, slots, index + 1, t.slots.length - index);
            return new Trie(t.bitmap | bit, slots);
        }
        @Nullable Object[] slots = t.slots.clone();
        slots[index] = merge(Objects.requireNonNull(t.slots[index]), node, shift + BITS);
        return new Trie(t.bitmap, slots);
    }

    /// The slot's new content when `node` is added to an occupied slot.
    private static Object merge(Object taken, Node node, int shift) {
        if (taken instanceof Trie deeper) {
            return put(deeper, node, shift);
        }
        if (taken instanceof Node other) {
            byte[] name = node.nameBytes();
            if (other.isNamed(name, 0, name.length, node.hash())) {
                return node;
            }
            if (shift >= HASH_BITS) {
                return new Node[] {other, node};
            }
            return put(put(new Trie(0, new Object[0]), other, shift), node, shift);
        }
        Node[] equalHashes = (Node[]) taken;
        for (int i = 0; i < equalHashes.length; i++) {
            if (Arrays.equals(equalHashes[i].nameBytes(), node.nameBytes())) {
                Node[] copy = equalHashes.clone();
                copy[i] = node;
                return copy;
            }
        }
        Node[] copy = Arrays.copyOf(equalHashes, equalHashes.length + 1);
        copy[equalHashes.length] = node;
        return copy;
    }

    private static Trie remove(Trie t, Node node, int shift) {
        int bit = 1 << ((node.hash() >>> shift) & MASK);
        int index = t.index(bit);
        Object left = removeSlot(Objects.requireNonNull(t.slots[index]), node, shift + BITS);
        if (left != null) {
            @Nullable Object[] slots = t.slots.clone();
            slots[index] = left;
            return new Trie(t.bitmap, slots);
        }
        @Nullable Object[] slots = new Object[t.slots.length - 1];
        System.arraycopy(t.slots, 0, slots, 0, index);
        System.arraycopy(t.slots, index + 1, slots, index, slots.length - index);
        return new Trie(t.bitmap & ~bit, slots);
    }

    private static @Nullable Object removeSlot(Object slot, Node node, int shift) {
        if (slot instanceof Trie deeper) {
            Trie left = remove(deeper, node, shift);
            // A trie of one node is replaced by the node, so that removing exactly undoes adding.
            return left.slots.length == 1 && !(left.slots[0] instanceof Trie)
                    ? left.slots[0]
                    : left;
        }
        if (slot instanceof Node) {
            return null;
        }
        Node[] left =
                Arrays.stream((Node[]) slot)
                        .filter(n -> !Arrays.equals(n.nameBytes(), node.nameBytes()))
                        .toArray(Node[]::new);
        return left.length == 1 ? left[0] : left;
    }

    /// All children in order of creation, as C xenstored lists them: guests probe their devices in this order.
    public List<Node> inOrder() {
        List<Node> all = new ArrayList<>(size);
        forEach(all::add);
        all.sort(Comparator.comparingLong(Node::ordinal));
        return all;
    }

    /// Passes all children to `action`, in no particular order.
    public void forEach(Consumer<Node> action) {
        each(trie, action);
    }

    private static void each(@Nullable Object slot, Consumer<Node> action) {
        if (slot instanceof Node node) {
            action.accept(node);
        } else if (slot instanceof Trie t) {
            for (Object inner : t.slots) {
                each(inner, action);
            }
        } else if (slot instanceof Node[] equalHashes) {
            for (Node node : equalHashes) {
                action.accept(node);
            }
        }
    }

    /// Receives a child that differs between two versions of a directory.
    @FunctionalInterface
    interface Differences {
        /// Takes one child.
        ///
        /// @param before the child in the first version, null if it exists only in the second
        /// @param after the child of that name in the second version, null if it does not exist there
        void differ(@Nullable Node before, @Nullable Node after);
    }

    /// Passes on the children that differ. Does not look at parts that both versions share.
    static void compare(Children before, Children after, Differences differences) {
        compare(before.trie, after.trie, 0, differences);
    }

    @SuppressWarnings("ReferenceEquality") // what is shared is the same object
    private static void compare(
            @Nullable Object before, @Nullable Object after, int shift, Differences differences) {
        if (before == after) {
            return;
        }
        if (before instanceof Trie b && after instanceof Trie a) {
            for (int bits = b.bitmap | a.bitmap; bits != 0; bits &= bits - 1) {
                int bit = Integer.lowestOneBit(bits);
                compare(b.slot(bit), a.slot(bit), shift + BITS, differences);
            }
            return;
        }
        each(
                before,
                node -> {
                    Node other = find(after, node, shift);
                    if (other != node) {
                        differences.differ(node, other);
                    }
                });
        each(
                after,
                node -> {
                    if (find(before, node, shift) == null) {
                        differences.differ(null, node);
                    }
                });
    }

    /// The node with the name of `like` below a slot that is reached after `shift` bits of the hash.
    private static @Nullable Node find(@Nullable Object slot, Node like, int shift) {
        byte[] name = like.nameBytes();
        return slot == null ? null : find(slot, name, 0, name.length, like.hash(), shift);
    }

    /// The names in order of creation, each followed by NUL, as DIRECTORY answers. Must not be modified: the array is
    /// kept. Versions share what they keep, so the store's lock has to be held.
    public byte[] listing() {
        return listing.all(this);
    }

    /// A copy of the bytes `[from, to)` of [#listing].
    public byte[] listing(int from, int to) {
        return listing.copy(this, from, to);
    }
}
