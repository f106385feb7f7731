package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.Request;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongSupplier;

/// Which domains have come or gone, so that none gets what was meant for another one of its id (XSA-322): neither by a
/// transaction that was begun before a release, nor by a permission that was given while no such domain existed. There are
/// at most as many as domain ids.
final class FormerDomains {
    private final Domains domains;
    private final TreeEditor editor;
    private final LongSupplier generations;
    private final Map<DomId, Long> released = new HashMap<>();
    private final Set<DomId> named = new HashSet<>();
    private long last;

    /// @param editor of the store's tree
    /// @param generations the store's change counter
    FormerDomains(Domains domains, TreeEditor editor, LongSupplier generations) {
        this.domains = domains;
        this.editor = editor;
        this.generations = generations;
    }

    /// As [#set(Permissions)], if it is permissions that a change sets.
    void set(Request.Change change) {
        if (change instanceof Request.SetPerms(var _, Permissions permissions)) {
            set(permissions);
        }
    }

    /// Permissions have been set, in the store or in a transaction: takes note of whom they name that does not exist.
    void set(Permissions permissions) {
        for (Permissions.Entry entry : permissions.entries()) {
            DomId domain = entry.domain();
            if (!domain.equals(Permissions.ANY_DOMAIN) && !domains.exists(domain)) {
                named.add(domain);
            }
        }
    }

    /// A domain that exists is about to be given something: takes away what an earlier one of its id was meant to have.
    void removeNamesFromBefore(DomId domain) {
        if (!named.isEmpty() && named.remove(domain)) {
            remove(domain);
        }
    }

    /// A domain has been restored, with all that names it: it is not named from before.
    void forget(DomId restored) {
        named.remove(restored);
    }

    /// Takes a domain that is gone out of the tree and the permissions, also of what open transactions will still do.
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
