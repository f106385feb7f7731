package io.xenemu.xenstore.tree;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The names of the children in one version of a directory, in order of creation, each followed by NUL; computed on
/// request.
///
/// A version that has one child more, or one less, than a version with known names reuses them. A new name goes into
/// the spare end of the same array, which shorter versions ignore; a removed name is cut out of a copy. So a
/// directory is sorted once, not after every change.
///
/// Not thread-safe: versions share arrays. The store's lock is held.
final class Listing {
    /// Changes that a version remembers until its names are requested: each then costs a copy of the names, and
    /// sorting costs about ten copies.
    private static final int MAX_CHANGES = 8;

    private sealed interface State permits Names, Change {}

    /// An array that several versions share.
    private static final class Shared {
        byte[] bytes;
        int used;

        Shared(byte[] bytes, int used) {
            this.bytes = bytes;
            this.used = used;
        }
    }

    /// The first `length` bytes of an array are the names.
    private record Names(Shared shared, int length) implements State {
        /// With one more name; null if another version has put its own name there.
        @Nullable Names append(byte[] name) {
            if (shared.used != length) {
                return null;
            }
            int longer = length + name.length + 1;
            if (longer > shared.bytes.length) {
                byte[] bytes = Arrays.copyOf(shared.bytes, longer + (longer >> 1));
                return put(new Shared(bytes, length), name, longer);
            }
            return put(shared, name, longer);
        }

        private Names put(Shared target, byte[] name, int longer) {
            System.arraycopy(name, 0, target.bytes, length, name.length);
            target.bytes[longer - 1] = 0;
            target.used = longer;
            return new Names(target, longer);
        }

        Names without(byte[] name) {
            byte[] bytes = shared.bytes;
            int at = 0;
            while (!startsWith(bytes, at, name)) {
                at = next(bytes, at);
            }
            int after = at + name.length + 1;
            byte[] left = new byte[length - name.length - 1];
            System.arraycopy(bytes, 0, left, 0, at);
            System.arraycopy(bytes, after, left, at, length - after);
            return new Names(new Shared(left, left.length), left.length);
        }

        private boolean startsWith(byte[] bytes, int at, byte[] name) {
            int end = at + name.length;
            if (end >= length) {
                throw new IllegalStateException("a name is missing from its directory's listing");
            }
            return bytes[end] == 0 && Arrays.equals(bytes, at, end, name, 0, name.length);
        }

        private static int next(byte[] bytes, int from) {
            int at = from;
            while (bytes[at] != 0) {
                at++;
            }
            return at + 1;
        }
    }

    /// A name that was appended to, or removed from, another state.
    ///
    /// @param count changes since names were known
    @SuppressWarnings("ArrayRecordComponent") // never compared, never modified
    private record Change(State before, byte[] name, boolean added, int count) implements State {}

    // Null if the children have to be sorted.
    private @Nullable State state;

    private Listing(@Nullable State state) {
        this.state = state;
    }

    /// A listing whose names are sorted on request.
    static Listing unknown() {
        return new Listing(null);
    }

    /// The listing of a version with one more child, the youngest.
    Listing withLast(byte[] name) {
        Names longer = state instanceof Names names ? names.append(name) : null;
        return longer == null ? changed(name, true) : new Listing(longer);
    }

    /// The listing of a version without one child.
    Listing without(byte[] name) {
        return changed(name, false);
    }

    private Listing changed(byte[] name, boolean added) {
        return new Listing(
                switch (state) {
                    case Names names -> new Change(names, name, added, 1);
                    case Change change ->
                            change.count == MAX_CHANGES
                                    ? null
                                    : new Change(change, name, added, change.count + 1);
                    case null -> null;
                });
    }

    /// The bytes `[from, to)` of the names.
    ///
    /// @param children the children of this version
    byte[] copy(Children children, int from, int to) {
        return Arrays.copyOfRange(names(children).shared.bytes, from, to);
    }

    /// All names. Must not be modified.
    ///
    /// @param children the children of this version
    byte[] all(Children children) {
        Names names = names(children);
        byte[] bytes = names.shared.bytes;
        return bytes.length == names.length ? bytes : Arrays.copyOf(bytes, names.length);
    }

    private Names names(Children children) {
        Names names =
                switch (state) {
                    case Names known -> known;
                    case Change change -> resolve(change);
                    case null -> sorted(children.inOrder(), children.listingLength());
                };
        state = names;
        return names;
    }

    private static Names resolve(Change last) {
        Change[] changes = new Change[last.count];
        State at = last;
        while (at instanceof Change change) {
            changes[change.count - 1] = change;
            at = change.before;
        }
        Names names = (Names) at;
        for (Change change : changes) {
            names = change.added ? appended(names, change.name) : names.without(change.name);
        }
        return names;
    }

    private static Names appended(Names names, byte[] name) {
        Names longer = names.append(name);
        if (longer != null) {
            return longer;
        }
        byte[] bytes = Arrays.copyOf(names.shared.bytes, names.length + name.length + 1);
        return names.put(new Shared(bytes, names.length), name, bytes.length);
    }

    private static Names sorted(List<Node> children, int length) {
        byte[] bytes = new byte[length];
        int at = 0;
        for (Node node : children) {
            byte[] name = node.nameBytes();
            System.arraycopy(name, 0, bytes, at, name.length);
            at += name.length + 1;
        }
        return new Names(new Shared(bytes, length), length);
    }
}
