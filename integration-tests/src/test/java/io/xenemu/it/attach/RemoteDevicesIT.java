package io.xenemu.it.attach;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.RemoteLinesLoad;
import io.xenemu.it.fixture.TestGuests;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;

/// Processes of remote devices raise interrupts of a guest by the I/O APIC. `bin/soak lines` does it 100,000 times.
@Needs({HostPackage.GCC, HostPackage.LIBC, HostPackage.LINUX_HEADERS, HostPackage.XEN_HEADERS})
@ExtendWith(LabExtension.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RemoteDevicesIT {
    private static final int INTERRUPTS = 10_000;
    private static final int KILLS = 5;
    private static final Path MODULE = Path.of("").toAbsolutePath();

    private final Lab lab;
    private final TestGuests guests;

    RemoteDevicesIT(Lab lab) throws IOException, InterruptedException {
        this.lab = lab;
        guests = TestGuests.build(MODULE, MODULE.resolve("target/remote-guests"));
    }

    @Test
    void twoProcessesShareALineOfWhichNoInterruptIsLost() throws Exception {
        String counted = RemoteLinesLoad.run(LabDaemon.shared(lab), guests, INTERRUPTS, KILLS);
        assertTrue(counted.contains("ends=" + INTERRUPTS), counted);
    }
}
