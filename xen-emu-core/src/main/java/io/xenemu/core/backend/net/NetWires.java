package io.xenemu.core.backend.net;

import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.FrontendNodes;

/// What a queue is connected by, as the front end names it.
///
/// @param tx grant of the ring for frames from the guest
/// @param rx grant of the ring for frames to it
/// @param txPort the guest's event channel for the one
/// @param rxPort its event channel for the other; may be the same
record NetWires(int tx, int rx, int txPort, int rxPort) {
    private static final String PORT = "event-channel";
    private static final String PORT_TX = "event-channel-tx";
    private static final String PORT_RX = "event-channel-rx";

    /// Reads the nodes of a queue.
    ///
    /// @throws FrontendError `EINVAL` one is missing, or not a number
    static NetWires of(FrontendNodes nodes) throws FrontendError {
        boolean isSplit = nodes.has(PORT_TX);
        return new NetWires(
                nodes.ref("tx-ring-ref").value(),
                nodes.ref("rx-ring-ref").value(),
                nodes.port(isSplit ? PORT_TX : PORT).value(),
                nodes.port(isSplit ? PORT_RX : PORT).value());
    }
}
