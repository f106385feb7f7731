package io.xenemu.xenstore.tree;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// An absolute, valid path of the store, or the name of a special watch (`@introduceDomain`).
///
/// The rules are those of `docs/misc/xenstore.txt`: ASCII letters, digits and `-_@` between single slashes, without a
/// trailing slash except for the root. An absolute path has at most [#ABSOLUTE_MAX] bytes, one relative to a domain's
/// own directory [#RELATIVE_MAX]. Checking also finds the names and their hashes, so that walking a tree neither
/// allocates nor hashes again.
public final class Path {
    /// Longest absolute path in bytes (`XENSTORE_ABS_PATH_MAX`).
    public static final int ABSOLUTE_MAX = 3072;

    /// Longest relative path in bytes (`XENSTORE_REL_PATH_MAX`).
    public static final int RELATIVE_MAX = 2048;

    /// The root, `/`.
    public static final Path ROOT = new Path(new byte[] {'/'}, new int[0], new int[0]);

    /// The special watch that reports a domain's introduction.
    public static final Path INTRODUCE_DOMAIN;

    /// The special watch that reports a domain's shutdown or end.
    public static final Path RELEASE_DOMAIN;

    private static final int OBJECT_BYTES = 80;
    private static final Path DOMAINS;
    private static final boolean[] NAME_CHARACTER = new boolean[256];

    static {
        for (char c :
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_@".toCharArray()) {
            NAME_CHARACTER[c] = true;
        }
        DOMAINS = of("/local/domain");
        INTRODUCE_DOMAIN = of("@introduceDomain");
        RELEASE_DOMAIN = of("@releaseDomain");
    }

    private final byte[] text;
    private final int[] ends;
    private final int[] hashes;

    private Path(byte[] text, int[] ends, int[] hashes) {
        this.text = text;
        this.ends = ends;
        this.hashes = hashes;
    }

    /// Checks the bytes `[from, to)` of `source`; a path that does not start with a slash is taken below
    /// `home`.
    ///
    /// @throws XenError EINVAL if it is not a valid path; a special name is not one
    public static Path parse(byte[] source, int from, int to, Path home) throws XenError {
        if (from >= to) {
            throw XenError.EINVAL;
        }
        if (source[from] == '/') {
            if (to - from > ABSOLUTE_MAX) {
                throw XenError.EINVAL;
            }
            return split(Arrays.copyOfRange(source, from, to));
        }
        if (source[from] == '@' || to - from > RELATIVE_MAX) {
            throw XenError.EINVAL;
        }
        int base = home.isRoot() ? 0 : home.text.length;
        byte[] whole = Arrays.copyOf(home.text, base + 1 + to - from);
        whole[base] = '/';
        System.arraycopy(source, from, whole, base + 1, to - from);
        return split(whole);
    }

    /// Parses a path, as [#parse], or a special name such as `@releaseDomain`, with any syntax after the `@`.
    ///
    /// @throws XenError EINVAL if it is neither
    public static Path parseWatchable(byte[] source, int from, int to, Path home) throws XenError {
        if (from < to && source[from] == '@') {
            if (to - from > RELATIVE_MAX) {
                throw XenError.EINVAL;
            }
            return new Path(Arrays.copyOfRange(source, from, to), new int[0], new int[0]);
        }
        return parse(source, from, to, home);
    }

    /// A path that this program makes itself.
    ///
    /// @param text absolute path or special name
    /// @throws IllegalArgumentException if it is not valid, which is our bug
    public static Path of(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
        try {
            if (text.startsWith("/") || text.startsWith("@")) {
                return parseWatchable(bytes, 0, bytes.length, ROOT);
            }
        } catch (XenError e) {
            throw new IllegalArgumentException("not a XenStore path: " + text, e);
        }
        throw new IllegalArgumentException("not an absolute XenStore path: " + text);
    }

    /// The directory that belongs to a domain, `/local/domain/<id>`.
    public static Path ofDomain(DomId domain) {
        return of("/local/domain/" + domain.value());
    }

    private static Path split(byte[] text) throws XenError {
        if (text.length == 1) {
            return ROOT;
        }
        int count = 0;
        for (byte b : text) {
            if (b == '/') {
                count++;
            }
        }
        int[] ends = new int[count];
        int[] hashes = new int[count];
        int segment = 0;
        int start = 1;
        int hash = 0;
        for (int i = 1; i <= text.length; i++) {
            if (i == text.length || text[i] == '/') {
                if (i == start) {
                    throw XenError.EINVAL; // doubled or trailing slash
                }
                ends[segment] = i;
                hashes[segment++] = spread(hash);
                start = i + 1;
                hash = 0;
            } else {
                if (!NAME_CHARACTER[text[i] & 0xff]) {
                    throw XenError.EINVAL;
                }
                hash = 31 * hash + text[i];
            }
        }
        return new Path(text, ends, hashes);
    }

    /// The finalizer of MurmurHash3: the trie takes five bits at a time, so low bits must depend on all characters.
    private static int spread(int hash) {
        int h = hash;
        h = (h ^ (h >>> 16)) * 0x85ebca6b;
        h = (h ^ (h >>> 13)) * 0xc2b2ae35;
        return h ^ (h >>> 16);
    }

    static int hashOf(byte[] name) {
        int hash = 0;
        for (byte b : name) {
            hash = 31 * hash + b;
        }
        return spread(hash);
    }

    /// Whether this names a special watch instead of a node.
    public boolean isSpecial() {
        return text[0] == '@';
    }

    /// Whether this is `/`.
    public boolean isRoot() {
        return text.length == 1 && text[0] == '/';
    }

    /// The number of names in the path; 0 for the root and for special names.
    public int depth() {
        return ends.length;
    }

    /// Length of the text in bytes.
    public int length() {
        return text.length;
    }

    /// The bytes of the name at `level`, counted from 0, as a copy.
    public byte[] name(int level) {
        return Arrays.copyOfRange(text, start(level), ends[level]);
    }

    /// The name at `level`, counted from 0.
    public String nameText(int level) {
        return new String(
                text, start(level), ends[level] - start(level), StandardCharsets.ISO_8859_1);
    }

    int start(int level) {
        return level == 0 ? 1 : ends[level - 1] + 1;
    }

    int end(int level) {
        return ends[level];
    }

    int hash(int level) {
        return hashes[level];
    }

    byte[] text() {
        return text;
    }

    /// The path of the first `levels` names; the root for 0.
    public Path prefix(int levels) {
        if (levels == ends.length) {
            return this;
        }
        if (levels == 0) {
            return ROOT;
        }
        return new Path(
                Arrays.copyOf(text, ends[levels - 1]),
                Arrays.copyOf(ends, levels),
                Arrays.copyOf(hashes, levels));
    }

    /// The path of the parent.
    ///
    /// @throws IllegalStateException for the root and for special names
    public Path parent() {
        if (ends.length == 0) {
            throw new IllegalStateException("no parent: " + this);
        }
        return prefix(ends.length - 1);
    }

    /// The path of the child `name` of this path.
    ///
    /// @throws IllegalArgumentException if the result is not a valid path
    public Path child(String name) {
        return of(join(toString(), name));
    }

    /// The text of a child's path, absolute or relative like `parent`.
    public static String join(String parent, String name) {
        return parent.endsWith("/") ? parent + name : parent + "/" + name;
    }

    /// Length in bytes of the first `levels` names with their slashes; 0 for none.
    public int length(int levels) {
        return levels == 0 ? 0 : ends[levels - 1];
    }

    /// The number of leading names that both have in common.
    public int commonDepth(Path other) {
        int same = Arrays.mismatch(text, other.text);
        if (same < 0) {
            return depth();
        }
        int level = 0;
        while (level < Math.min(depth(), other.depth())
                && ends[level] <= same
                && ends[level] == other.ends[level]) {
            level++;
        }
        return level;
    }

    /// About the bytes of this object in memory.
    public int bytes() {
        return OBJECT_BYTES + text.length + 2 * Integer.BYTES * ends.length;
    }

    /// Length in bytes without a leading `/local/domain/<id>/`, as quotas count it, so that a guest with a long id
    /// has no shorter limit.
    public int localLength() {
        return depth() > 3 && isAtOrBelow(DOMAINS) ? text.length - ends[2] - 1 : text.length;
    }

    /// Whether this path is `other` or lies below it.
    public boolean isAtOrBelow(Path other) {
        if (other.isSpecial() || isSpecial()) {
            return equals(other);
        }
        int n = other.isRoot() ? 0 : other.text.length;
        return text.length >= n
                && Arrays.equals(text, 0, n, other.text, 0, n)
                && (text.length == n || text[n] == '/');
    }

    /// Copies the text from byte `from` on into `target` at `at`; returns the position after it.
    public int copyTo(int from, byte[] target, int at) {
        System.arraycopy(text, from, target, at, text.length - from);
        return at + text.length - from;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Path p && Arrays.equals(text, p.text);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(text);
    }

    @Override
    public String toString() {
        return new String(text, StandardCharsets.ISO_8859_1);
    }
}
