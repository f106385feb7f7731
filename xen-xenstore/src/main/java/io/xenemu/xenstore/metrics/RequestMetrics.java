package io.xenemu.xenstore.metrics;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.wire.MessageType;
import org.jspecify.annotations.Nullable;

/// Counts the requests of one domain. Called with the store's lock held.
public interface RequestMetrics {
    /// Counts an answered request.
    ///
    /// @param type null for an unknown number
    /// @param error null for success
    /// @param nanos time from decoding to the queued reply
    void handled(@Nullable MessageType type, @Nullable XenError error, long nanos);

    /// Counts a watch event that was queued, or dropped because its reader does not read.
    void event(boolean dropped);
}
