package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertFalse;

import io.xenemu.kvm.testing.Eventually;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// vCPUs that are slowed down.
@Timeout(60)
final class VcpuThrottleTest {
    @TempDir private Path folder = Path.of("");

    @Test
    void vcpusStandStillFromTimeToTimeUntilItEnds() throws Exception {
        try (MigratedGuest guest = new MigratedGuest(folder)) {
            try (VcpuThrottle throttle = new VcpuThrottle(guest.domain)) {
                throttle.set(0);
                throttle.set(95);
                Eventually.holds("it stands still", guest.domain::isHeld);
                guest.awaitSteps();
            }
            assertFalse(guest.domain.isHeld());
            guest.awaitSteps();
        }
    }
}
