package io.xenemu.it.linux;

import io.xenemu.it.fixture.ImportLoad;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A Linux guest goes on from an image as real Xen would have saved it.
@ExtendWith(LabExtension.class)
class XenImportIT {
    @Test
    void linuxGoesOnFromAnImageOfXen(Lab lab) throws IOException, InterruptedException {
        ImportLoad.run(LabDaemon.shared(lab));
    }
}
