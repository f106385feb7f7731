package io.xenemu.it.linux;

import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.XenStoreLoad;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A Linux guest and the host use XenStore at once, for a moment; `bin/soak xenstore` does it for as long as one wants.
@Needs({HostPackage.GCC, HostPackage.LIBC, HostPackage.LINUX_HEADERS, HostPackage.XEN_HEADERS})
@ExtendWith(LabExtension.class)
class XenStoreLoadIT {
    private static final int SECONDS = 8;

    @Test
    void nothingIsLostOrOutOfOrder(Lab lab) throws IOException, InterruptedException {
        XenStoreLoad.run(LabDaemon.shared(lab), SECONDS);
    }
}
