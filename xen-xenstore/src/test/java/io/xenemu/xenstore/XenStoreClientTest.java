package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertNotNull;

import io.xenemu.kvm.testing.Eventually;
import io.xenemu.xenstore.client.XenStoreClient;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class XenStoreClientTest {
    private final Rig rig = new Rig();

    @AfterEach
    void close() {
        rig.close();
    }

    @Test
    void newClientWaitsForTheStoresLock() throws InterruptedException {
        AtomicReference<XenStoreClient> made = new AtomicReference<>();
        Thread other = Thread.ofPlatform().unstarted(() -> made.set(rig.server.client()));
        rig.server.access().enter();
        try {
            other.start();
            Eventually.holds("the client waits", () -> other.getState() == Thread.State.WAITING);
        } finally {
            rig.server.access().leave();
        }
        other.join();
        assertNotNull(made.get());
    }
}
