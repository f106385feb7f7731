package io.xenemu.xenstore;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.wire.MessageType;
import org.jspecify.annotations.Nullable;

/// Counts what one domain asks for. Called with the store's lock held.
interface RequestMetrics {
    /// One request was answered.
    ///
    /// @param type null for a number that is no type
    /// @param error null for success
    /// @param nanos time from decoding to the queued reply
    void handled(@Nullable MessageType type, @Nullable XenError error, long nanos);

    /// A watch event was queued, or dropped since its reader does not read.
    void event(boolean dropped);
}
