package io.xenemu.core.toolstack;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.client.XenStoreClient;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/// Waits for a device's back end.
public final class XenbusWait {
    private final DeviceNodes nodes;
    private final Duration limit;

    /// @param limit the longest time of each wait
    XenbusWait(DeviceNodes nodes, Duration limit) {
        this.nodes = nodes;
        this.limit = limit;
    }

    /// Waits for a state of a device's back end.
    ///
    /// @param done tests the state; empty if there is no back end
    /// @return false if the state did not come in time
    boolean state(PvDevice device, Predicate<Optional<XenbusState>> done)
            throws XenError, InterruptedException {
        return await(device, () -> done.test(nodes.state(device)));
    }

    /// Waits until the back end's domain has removed its directory, as Xen's `xl devd` does.
    void removal(PvDevice device) throws XenError, InterruptedException {
        boolean _ = await(device, () -> !nodes.hasBackend(device));
    }

    private interface Condition {
        boolean holds() throws XenError;
    }

    private boolean await(PvDevice device, Condition condition)
            throws XenError, InterruptedException {
        Semaphore changes = new Semaphore(0);
        long deadline = System.nanoTime() + limit.toNanos();
        try (XenStoreClient.Registration _ = nodes.watchBackend(device, changes::release)) {
            while (!condition.holds()) {
                long left = deadline - System.nanoTime();
                if (!changes.tryAcquire(left, TimeUnit.NANOSECONDS)) {
                    return condition.holds();
                }
                changes.drainPermits();
            }
            return true;
        }
    }
}
