package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.Request;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;

/// Which domains were released, and when. A transaction that was begun before could otherwise give nodes to a domain that
/// is gone, and so to the next one of its id (XSA-322). There are at most as many as domain ids.
final class ReleasedDomains {
    private final LongSupplier generations;
    private final Map<DomId, Long> released = new HashMap<>();
    private long last;

    /// @param generations the store's change counter
    ReleasedDomains(LongSupplier generations) {
        this.generations = generations;
    }

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
