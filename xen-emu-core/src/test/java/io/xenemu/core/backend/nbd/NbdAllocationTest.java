package io.xenemu.core.backend.nbd;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.block.StoreAllocation;
import io.xenemu.core.toolstack.DiskServing;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A request to a disk behind a server allocates nothing of its own, on the thread that submits and on that which
/// receives.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NbdAllocationTest {
    @Test
    void requestsAllocateNothing() throws Exception {
        try (FakeNbdServer server = new FakeNbdServer(1 << 20);
                NbdStore store =
                        NbdStore.open(
                                server,
                                new NbdStore.DiskOptions(
                                        "dom3-vbd-1", true, true, DiskServing.ANY_SECTOR),
                                new SimpleMeterRegistry())) {
            server.records = false;
            StoreAllocation.assertNone(store, "dom3-vbd-1-nbd-recv");
        }
    }
}
