package io.xenemu.it.linux;

import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.SuspendLoad;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Linux's own suspend for Xen, cancelled by an operator.
@Needs(HostPackage.XENSTORE_UTILS)
@ExtendWith(LabExtension.class)
class SuspendIT {
    /// `bin/soak suspend` has many.
    private static final int TIMES = 3;

    @Test
    void linuxSuspendsAndGoesOnWithClockConsoleAndXenStore(Lab lab)
            throws IOException, InterruptedException {
        SuspendLoad.run(LabDaemon.shared(lab), TIMES);
    }
}
