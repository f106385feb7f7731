package io.xenemu.core.domain;

import io.xenemu.kvm.abi.DomId;
import java.util.Collection;
import java.util.Set;

/// What a save covers, for the parts of a guest that name what keeps it from being saved.
///
/// @param together the guests that are saved in one file, if it is more than one: what they share is in it
/// @param isSuspended whether the guest takes part: it has suspended itself (SHUTDOWN_suspend), or will before it is
///     saved. It goes on as in a new domain, where it asks for its event channels, grants and devices anew
/// @param isHandedOver whether another process of this host takes the guests over, with what is open for them
public record SaveScope(Set<DomId> together, boolean isSuspended, boolean isHandedOver) {
    /// One guest, which does not notice.
    public static final SaveScope ALONE = new SaveScope(Set.of(), false, false);

    /// One guest that takes part.
    public static final SaveScope SUSPENDED = new SaveScope(Set.of(), true, false);

    public SaveScope {
        together = Set.copyOf(together);
    }

    /// Guests that are saved in one file, and do not notice.
    public static SaveScope together(Collection<DomId> guests) {
        return new SaveScope(Set.copyOf(guests), false, false);
    }

    /// Guests that another process of this host takes over, and that do not notice.
    public static SaveScope handedOver(Collection<DomId> guests) {
        return new SaveScope(Set.copyOf(guests), false, true);
    }

    /// Whether what the guest shares with this domain is saved too.
    public boolean has(DomId domain) {
        return together.contains(domain);
    }
}
