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
/// Own structure, for three reasons that no library meets together: a lookup by a slice of a request's bytes without an
/// object for the key, the node being its own map entry (100,000 nodes cost one object each), and the encoded listing
/// being kept while children change their values but not their names. A change copies at most one 32-slot array per five
/// bits of hash, however many siblings there are. Names whose 32-bit hashes are all equal share an array; a guest's node
/// quota bounds it.
public final class Children {
    static final Children EMPTY = new Children(new Trie(0, new Object[0]), 0, 0, new Listing());

    private static final int BITS = 5;
    private static final int MASK = (1 << BITS) - 1;
    private static final int HASH_BITS = 32;

    /// Slots hold a [Node], a deeper [Trie], or a `Node[]` of equal hashes.
    @SuppressWarnings("ArrayRecordComponent") // never compared, never modified
    private record Trie(int bitmap, @Nullable Object[] slots) {
        int index(int bit) {
            return Integer.bitCount(bitmap & (bit - 1));
        }
    }

    /// Shared by all versions of one directory that have the same names.
    private static final class Listing {
        byte @Nullable [] encoded;
    }

    private final Trie trie;
    private final int size;
    private final int nameBytes;
    private final Listing listing;

    private Children(Trie trie, int size, int nameBytes, Listing listing) {
        this.trie = trie;
        this.size = size;
        this.nameBytes = nameBytes;
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
        Object at = trie;
        for (int shift = 0; at instanceof Trie t; shift += BITS) {
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
        if (before == null) {
            return new Children(changed, size + 1, nameBytes + name.length + 1, new Listing());
        }
        boolean samePlace = before.ordinal() == node.ordinal();
        return new Children(changed, size, nameBytes, samePlace ? listing : new Listing());
    }

    Children without(Node node) {
        if (size == 1) {
            return EMPTY;
        }
        return new Children(
                remove(trie, node, 0),
                size - 1,
                nameBytes - node.nameBytes().length - 1,
                new Listing());
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

    /// What a taken slot becomes when `node` is put there as well.
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
            // A trie of one node is pulled up, so that removing undoes adding exactly.
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

    /// All children in order of creation, as C xenstored lists them: a guest probes its devices in this order.
    public List<Node> inOrder() {
        List<Node> all = new ArrayList<>(size);
        forEach(all::add);
        all.sort(Comparator.comparingLong(Node::ordinal));
        return all;
    }

    /// Hands out all children, in no particular order.
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

    /// The names in order of creation, each followed by NUL, as DIRECTORY answers. Not to be modified: it is kept.
    public byte[] listing() {
        byte[] known = listing.encoded;
        if (known != null) {
            return known;
        }
        byte[] encoded = new byte[nameBytes];
        int at = 0;
        for (Node node : inOrder()) {
            byte[] name = node.nameBytes();
            System.arraycopy(name, 0, encoded, at, name.length);
            at += name.length + 1;
        }
        listing.encoded = encoded;
        return encoded;
    }

    /// Whether both have the same names, in the same order of creation.
    public boolean sameNames(Children other) {
        return listing == other.listing
                || (nameBytes == other.nameBytes && Arrays.equals(listing(), other.listing()));
    }
}
