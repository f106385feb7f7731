package io.xenemu.core.hypervisor;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import java.util.ArrayDeque;
import java.util.HashSet;
import java.util.Queue;
import java.util.Set;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;

/// The ids of new domains, by a [DomainIdPolicy]. In order, an id is not used again until all have been, as in Xen. At
/// random, the last [#RECENT] are not used again. An id is taken from the moment when its domain begins to be made,
/// which may be long before the domain can be found.
final class DomainIds {
    /// Ids that are not chosen at random again: host tools may still remember their domains. Far fewer than there are.
    private static final int RECENT = 1024;

    private final DomainIdPolicy policy;
    private final Predicate<DomId> exists;
    private final RandomGenerator random;

    /// The last id that was given in order.
    @GuardedBy("this")
    private int last;

    /// The last ids that were chosen at random, the oldest first.
    @GuardedBy("this")
    private final Queue<DomId> recent = new ArrayDeque<>();

    /// The ids of domains that cannot be found yet.
    @GuardedBy("this")
    private final Set<DomId> beingMade = new HashSet<>();

    /// @param exists whether a domain has the id; called with the monitor held
    DomainIds(DomainIdPolicy policy, Predicate<DomId> exists, RandomGenerator random) {
        this.policy = policy;
        this.exists = exists;
        this.random = random;
        this.last = policy.first() - 1;
    }

    /// The next free id, which is taken until [#release], and then as long as its domain exists.
    ///
    /// @throws Refused if all ids of the policy are in use
    synchronized DomId next() throws Refused {
        DomId id = policy.isRandom() ? anyFree() : nextFree();
        beingMade.add(id);
        return id;
    }

    @GuardedBy("this")
    private DomId nextFree() throws Refused {
        for (int tries = policy.size(); tries > 0; tries--) {
            last = last < policy.last() ? last + 1 : policy.first();
            DomId id = new DomId(last);
            if (!isUsed(id)) {
                return id;
            }
        }
        throw new Refused(
                "all domain ids from %d to %d are in use".formatted(policy.first(), policy.last()));
    }

    @GuardedBy("this")
    private DomId anyFree() {
        // A host has memory for far fewer domains than there are ids, so that this ends soon.
        DomId id;
        do {
            id = new DomId(random.nextInt(policy.first(), policy.last() + 1));
        } while (isUsed(id) || recent.contains(id));
        recent.add(id);
        if (recent.size() > RECENT) {
            recent.remove();
        }
        return id;
    }

    /// Checks that an id can be taken.
    ///
    /// @throws Refused if it is in use
    synchronized void requireFree(DomId id) throws Refused {
        if (isUsed(id)) {
            throw new Refused("the domain id " + id.value() + " is in use");
        }
    }

    /// Takes this id, in the same way. It may be one that the policy does not give out.
    ///
    /// @throws Refused if it is in use
    synchronized void claim(DomId id) throws Refused {
        requireFree(id);
        beingMade.add(id);
    }

    /// The last id that was given out in order.
    synchronized int last() {
        return last;
    }

    /// Goes on behind an id that another process of this service has given out.
    ///
    /// @param given its [#last]
    synchronized void goOnAfter(int given) {
        if (given >= policy.first() - 1 && given <= policy.last()) {
            last = given;
        }
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
