package io.xenemu.core.backend.block;

import io.xenemu.core.backend.ring.RingState;
import io.xenemu.core.toolstack.DiskSpec;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The saved state of a disk: what it is, and the guest's connection. The rings are in guest memory, and are saved with
/// that; the disk's bytes stay where they are.
///
/// @param spec as the operator gave it
/// @param bytes the size that the guest knows; a restored disk may have more
/// @param sectorBytes the sector that the guest knows
/// @param connection null if no guest is connected
record BlockState(DiskSpec spec, long bytes, int sectorBytes, @Nullable Connection connection) {
    /// A guest's connection.
    ///
    /// @param abi the layout of its slots
    record Connection(BlockAbi abi, List<Queue> queues) {
        Connection {
            queues = List.copyOf(queues);
        }
    }

    /// A queue, as it was when the guest connected.
    ///
    /// @param pages grants of the ring's pages
    /// @param port the guest's event channel
    /// @param requests taken and not answered, in the order in which they were taken
    record Queue(List<Integer> pages, int port, RingState ring, List<Request> requests) {
        Queue {
            pages = List.copyOf(pages);
            requests = List.copyOf(requests);
        }
    }

    /// A request that was in flight. Nobody knows what of it was done; it is done again.
    ///
    /// @param id the guest's own number
    /// @param operation its number; the inner one of an indirect request
    /// @param sector the first
    /// @param discarded the number of sectors of a discard; 0 for others
    record Request(long id, int operation, long sector, long discarded, List<Segment> segments) {
        Request {
            segments = List.copyOf(segments);
        }
    }

    /// A part of a page.
    ///
    /// @param ref the page's grant
    /// @param first sector in the page
    /// @param last sector in the page
    record Segment(int ref, int first, int last) {}
}
