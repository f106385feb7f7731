package io.xenemu.xenstore.tree;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;

/// The permission list of a node, immutable. The first entry names the owner, which may do everything; its letter says
/// what domains without an entry may do. Each further entry names a domain and what that domain may do. Two entries
/// for one domain are kept; the first counts, as in both existing daemons.
public final class Permissions {
    /// Owned by domain 0, closed to others: the permissions of the root.
    public static final Permissions DOM0_ONLY = new Permissions(Entry.of(Access.NONE, DomId.DOM0));

    /// An entry for this id applies to every domain (`DOMID_ANY`, [io.xenemu.xenstore.wire.Features#ANY_DOMAIN]).
    public static final DomId ANY_DOMAIN = new DomId(0x7ff5);

    /// One entry.
    ///
    /// @param access the rights
    /// @param domain the domain that has them; in the first entry the owner
    public record Entry(Access access, DomId domain) {
        /// An entry, with its parts in the order of the wire form.
        public static Entry of(Access access, DomId domain) {
            return new Entry(access, domain);
        }
    }

    private final Entry[] entries;

    private Permissions(Entry... entries) {
        this.entries = entries;
    }

    /// Permissions of the given entries.
    ///
    /// @throws IllegalArgumentException for an empty list
    public static Permissions of(List<Entry> entries) {
        if (entries.isEmpty()) {
            throw new IllegalArgumentException("permissions without owner");
        }
        return new Permissions(entries.toArray(Entry[]::new));
    }

    /// Permissions as users write them: `of("n0", "r3")`.
    ///
    /// @throws IllegalArgumentException if an entry is malformed, which is our bug
    public static Permissions of(String... entries) {
        List<Entry> parsed = new ArrayList<>();
        for (String entry : entries) {
            byte[] bytes = entry.getBytes(StandardCharsets.ISO_8859_1);
            try {
                parsed.add(parseEntry(bytes, 0, bytes.length));
            } catch (XenError e) {
                throw new IllegalArgumentException("not a permission: " + entry, e);
            }
        }
        return of(parsed);
    }

    /// Decodes NUL-terminated entries in `[from, to)`. Bytes after the last NUL are ignored (reserved by the protocol).
    ///
    /// @throws XenError EINVAL for no entry, an unknown letter or a malformed domain id
    public static Permissions parse(byte[] source, int from, int to) throws XenError {
        List<Entry> parsed = new ArrayList<>();
        int start = from;
        for (int i = from; i < to; i++) {
            if (source[i] == 0) {
                parsed.add(parseEntry(source, start, i));
                start = i + 1;
            }
        }
        if (parsed.isEmpty()) {
            throw XenError.EINVAL;
        }
        return of(parsed);
    }

    private static Entry parseEntry(byte[] source, int from, int to) throws XenError {
        if (to - from < 2 || to - from > 6) {
            throw XenError.EINVAL;
        }
        int domain = 0;
        for (int i = from + 1; i < to; i++) {
            if (source[i] < '0' || source[i] > '9') {
                throw XenError.EINVAL;
            }
            domain = domain * 10 + source[i] - '0';
        }
        if (domain > 0xffff) {
            throw XenError.EINVAL;
        }
        for (Access access : Access.values()) {
            if (access.letter() == source[from]) {
                return new Entry(access, new DomId(domain));
            }
        }
        throw XenError.EINVAL;
    }

    /// The owner.
    public DomId owner() {
        return entries[0].domain;
    }

    /// Number of entries, the owner's included.
    public int size() {
        return entries.length;
    }

    /// All entries, the owner's first.
    public List<Entry> entries() {
        return List.of(entries);
    }

    /// The rights of an unprivileged `domain`, which may also act as `target` (SET_TARGET); owners get [Access#BOTH].
    ///
    /// @param target the domain that `domain` targets, or `domain` itself
    public Access access(DomId domain, DomId target) {
        if (isOwner(domain, target)) {
            return Access.BOTH;
        }
        for (int i = 1; i < entries.length; i++) {
            if (names(entries[i].domain, domain, target)) {
                return entries[i].access;
            }
        }
        return entries[0].access;
    }

    /// Whether `domain`, or the domain that it targets, is the owner.
    public boolean isOwner(DomId domain, DomId target) {
        return names(entries[0].domain, domain, target);
    }

    private static boolean names(DomId named, DomId domain, DomId target) {
        int value = named.value();
        return value == domain.value() || value == target.value() || value == ANY_DOMAIN.value();
    }

    /// The same list with another owner.
    public Permissions ownedBy(DomId owner) {
        if (entries[0].domain.equals(owner)) {
            return this;
        }
        Entry[] copy = entries.clone();
        copy[0] = new Entry(entries[0].access, owner);
        return new Permissions(copy);
    }

    /// The list without further entries for `domain`, so that a later domain of the same id inherits nothing (XSA-322).
    public Permissions without(DomId domain) {
        return forOnly(named -> !named.equals(domain));
    }

    /// The list with the owner's entry and only those further entries whose domain passes `test`.
    public Permissions forOnly(Predicate<DomId> test) {
        List<Entry> kept = new ArrayList<>(entries.length);
        for (int i = 0; i < entries.length; i++) {
            if (i == 0 || test.test(entries[i].domain)) {
                kept.add(entries[i]);
            }
        }
        return kept.size() == entries.length ? this : of(kept);
    }

    /// The wire form: each entry as letter, decimal id and NUL.
    public byte[] encode() {
        StringBuilder text = new StringBuilder();
        for (Entry entry : entries) {
            text.append(entry.access.letter()).append(entry.domain.value()).append('\0');
        }
        return text.toString().getBytes(StandardCharsets.ISO_8859_1);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Permissions p && Arrays.equals(entries, p.entries);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(entries);
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        for (Entry entry : entries) {
            text.append(text.isEmpty() ? "" : " ")
                    .append(entry.access.letter())
                    .append(entry.domain.value());
        }
        return text.toString();
    }
}
