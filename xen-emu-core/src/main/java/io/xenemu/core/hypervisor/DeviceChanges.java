package io.xenemu.core.hypervisor;

import com.google.common.collect.HashMultiset;
import com.google.common.collect.Multiset;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Operators' changes of domains' devices, and domains whose devices do not change now because they are saved or move
/// to another host. A disk that came in the middle of a move would neither be looked for at the other host nor be
/// copied; in the middle of a save, the state would have its nodes without it, or neither. Its monitor is a leaf.
public final class DeviceChanges {
    @GuardedBy("this")
    private final Multiset<DomId> underWay = HashMultiset.create();

    @GuardedBy("this")
    private final Map<DomId, String> frozen = new HashMap<>();

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
            String reason = frozen.get(domain);
            if (reason != null) {
                throw new Refused(
                        Refused.Kind.BUSY,
                        "%s is being %s: its devices cannot change now".formatted(domain, reason));
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
    /// @param reason what is done to the domain, such as `saved`
    /// @throws Refused if a change is under way
    synchronized void freeze(DomId domain, String reason) throws Refused {
        if (underWay.contains(domain)) {
            throw new Refused(Refused.Kind.BUSY, "a device is being attached, detached or resized");
        }
        frozen.put(domain, reason);
    }

    /// Lets the devices of a domain change again, if they do not now.
    synchronized void thaw(DomId domain) {
        frozen.remove(domain);
    }
}
