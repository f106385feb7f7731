package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import org.jspecify.annotations.Nullable;

/// Finds the event channels of the other domains of this service.
@FunctionalInterface
public interface PeerChannels {
    /// The domain's event channels, or null if there is no such domain. For domain 0 these are
    /// [ServicePorts#channels].
    @Nullable EventChannels find(DomId id);
}
