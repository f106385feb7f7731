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
    private final LongSupplier generations;
    private final Map<DomId, Long> released = new HashMap<>();
    private final Set<DomId> named = new HashSet<>();
    private long last;

    /// @param generations the store's change counter
    FormerDomains(LongSupplier generations) {
        this.generations = generations;
    }

    /// A domain that does not exist is named in permissions.
    void named(DomId absent) {
        named.add(absent);
    }

    /// A domain that exists is about to be given something.
    ///
    /// @return whether it is named in permissions from before it existed, which must be removed first
    boolean isNewAndNamed(DomId domain) {
        return !named.isEmpty() && named.remove(domain);
    }

    /// A domain is gone, or a new one has come.
    void add(DomId domain) {
        last = generations.getAsLong();
        released.put(domain, last);
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
