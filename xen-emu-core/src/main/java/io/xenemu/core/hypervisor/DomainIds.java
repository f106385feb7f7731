package io.xenemu.core.hypervisor;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import java.util.HashSet;
import java.util.Set;
import java.util.function.Predicate;

/// The ids of new domains. Ids are not used again until all have been, as in Xen. An id is taken from the moment when
/// its domain begins to be made, which may be long before the domain can be found.
final class DomainIds {
    private final Predicate<DomId> exists;

    @GuardedBy("this")
    private int last;

    /// The ids of domains that cannot be found yet.
    @GuardedBy("this")
    private final Set<DomId> beingMade = new HashSet<>();

    /// @param exists whether a domain has the id; called with the monitor held
    DomainIds(Predicate<DomId> exists) {
        this.exists = exists;
    }

    /// The next free id, which is taken until [#release], and then as long as its domain exists.
    synchronized DomId next() {
        do {
            last = last + 1 < DomId.FIRST_RESERVED ? last + 1 : 1;
        } while (isUsed(new DomId(last)));
        DomId id = new DomId(last);
        beingMade.add(id);
        return id;
    }

    /// Takes this id, in the same way.
    ///
    /// @throws Refused if it is in use
    synchronized void claim(DomId id) throws Refused {
        if (isUsed(id)) {
            throw new Refused("the id of the saved domain is in use: " + id);
        }
        beingMade.add(id);
    }

    /// The domain of the id can be found, or could not be made.
    synchronized void release(DomId id) {
        beingMade.remove(id);
    }

    @GuardedBy("this")
    private boolean isUsed(DomId id) {
        return exists.test(id) || beingMade.contains(id);
    }
}
