package io.xenemu.xenstore.store;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.Request;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongSupplier;

/// Remembers domains that came or went, so that a domain gets nothing that was meant for an earlier one of its id
/// (XSA-322). It gets nothing by a transaction begun before a release, nor by a permission given while no such domain
/// existed. Holds at most one entry per domain id.
final class FormerDomains {
    private final KnownDomains domains;
    private final TreeEditor editor;
    private final LongSupplier generations;
    private final Map<DomId, Long> released = new HashMap<>();
    private final Set<DomId> named = new HashSet<>();

    /// Domains that are about to be restored with all that they were given.
    private final Set<DomId> expected = new HashSet<>();

    private long last;

    /// @param editor the editor of the store's tree
    /// @param generations the store's change counter
    FormerDomains(KnownDomains domains, TreeEditor editor, LongSupplier generations) {
        this.domains = domains;
        this.editor = editor;
        this.generations = generations;
    }

    /// Notes the domains of a change, if it sets permissions: see [#set(Permissions)].
    void set(Request.Change change) {
        if (change instanceof Request.SetPerms(var _, Permissions permissions)) {
            set(permissions);
        }
    }

    /// Notes the domains in newly set permissions, of the store or of a transaction, that do not exist.
    void set(Permissions permissions) {
        for (Permissions.Entry entry : permissions.entries()) {
            DomId domain = entry.domain();
            if (!domain.equals(Permissions.ANY_DOMAIN)
                    && !domains.exists(domain)
                    && !expected.contains(domain)) {
                named.add(domain);
            }
        }
    }

    /// Called before an existing domain is given something: removes what permissions gave to an earlier domain of its
    /// id.
    void removeNamesFromBefore(DomId domain) {
        if (!named.isEmpty() && named.remove(domain)) {
            remove(domain);
        }
    }

    /// Keeps the permissions of a restored domain: they were restored with it.
    void forget(DomId restored) {
        named.remove(restored);
        expected.remove(restored);
    }

    /// Keeps the permissions of domains that come later with a store that is restored now.
    void expect(DomId domain) {
        expected.add(domain);
    }

    /// Removes a domain that is gone from the tree and the special permissions, and from what open transactions will
    /// still do.
    void remove(DomId domain) {
        last = generations.getAsLong();
        released.put(domain, last);
        editor.special(editor.special().without(domain));
        DomainRemoval.from(editor, domain);
    }

    /// Whether permissions set by `changes` name a domain that was released after `generation`.
    boolean nameSomeOf(List<Request.Change> changes, long generation) {
        if (last <= generation) {
            return false;
        }
        for (Request.Change change : changes) {
            if (change instanceof Request.SetPerms(var _, Permissions permissions)
                    && permissions.entries().stream()
                            .anyMatch(entry ->
                                    released.getOrDefault(entry.domain(), 0L) > generation)) {
                return true;
            }
        }
        return false;
    }
}
