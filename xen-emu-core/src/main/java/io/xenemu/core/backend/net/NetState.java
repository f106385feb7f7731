package io.xenemu.core.backend.net;

import io.xenemu.core.backend.ring.RingState;
import io.xenemu.core.toolstack.NicSpec;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The saved state of a network interface: what it is, and the guest's connection. The rings are in guest memory, and
/// are saved with that. Frames on their way in the host are not in it: networks may lose some.
///
/// @param spec with the interface's number
/// @param connection null if no guest is connected
record NetState(NicSpec spec, @Nullable Connection connection) {
    /// A guest's connection.
    ///
    /// @param features of frames that it receives
    /// @param filters whether it wants only the multicast frames that it asks for
    /// @param addresses those multicast addresses
    /// @param control its control ring; null if it has none
    record Connection(
            RxFeatures features,
            boolean filters,
            List<Long> addresses,
            List<Queue> queues,
            @Nullable Control control) {
        Connection {
            addresses = List.copyOf(addresses);
            queues = List.copyOf(queues);
        }
    }

    /// A queue. What its rings have that was not answered is taken again.
    record Queue(NetWires wires, RingState tx, RingState rx) {}

    /// A control ring.
    ///
    /// @param ref grant of its page
    /// @param port the guest's event channel
    record Control(int ref, int port, RingState ring) {}
}
