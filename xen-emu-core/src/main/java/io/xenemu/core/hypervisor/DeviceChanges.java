package io.xenemu.core.hypervisor;

import com.google.common.collect.HashMultiset;
import com.google.common.collect.Multiset;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// Operators' changes of domains' devices, and domains whose devices do not change now because they move to another
/// host. A disk that came in the middle of a move would neither be looked for at the other host nor be copied. Its
/// monitor is a leaf.
public final class DeviceChanges {
    @GuardedBy("this")
    private final Multiset<DomId> underWay = HashMultiset.create();

    @GuardedBy("this")
    private final Set<DomId> frozen = new HashSet<>();

    DeviceChanges() {}

    /// A change that is under way until it is closed.
    public interface Change extends AutoCloseable {
        @Override
        void close();
    }

    /// Begins a change.
    ///
    /// @param domains that have the device and serve it
    /// @throws Refused if the devices of one do not change now
    synchronized Change begin(List<DomId> domains) throws Refused {
        for (DomId domain : domains) {
            if (frozen.contains(domain)) {
                throw new Refused(
                        Refused.Kind.BUSY,
                        "%s is being migrated: its devices cannot change now".formatted(domain));
            }
        }
        underWay.addAll(domains);
        return () -> end(domains);
    }

    private synchronized void end(List<DomId> domains) {
        domains.forEach(underWay::remove);
    }

    /// Lets the devices of a domain stay as they are until [#thaw].
    ///
    /// @throws Refused if a change is under way
    synchronized void freeze(DomId domain) throws Refused {
        if (underWay.contains(domain)) {
            throw new Refused(Refused.Kind.BUSY, "a device is being attached, detached or resized");
        }
        frozen.add(domain);
    }

    /// Lets the devices of a domain change again, if they do not now.
    synchronized void thaw(DomId domain) {
        frozen.remove(domain);
    }
}
