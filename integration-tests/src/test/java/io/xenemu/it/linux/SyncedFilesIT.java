package io.xenemu.it.linux;

import io.xenemu.it.fixture.DiskLoad;
import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Files that an unmodified Linux guest has synced outlive the guest and its server.
@Needs({HostPackage.QEMU_UTILS, HostPackage.GCC, HostPackage.LIBC})
@ExtendWith(LabExtension.class)
class SyncedFilesIT {
    private static final int PROCESSES = 2;
    private static final int KILLS = 2;
    private static final int CHANGES = 60;
    private static final int SEED = 7;

    @Test
    void syncedFilesOutliveTheGuestAndItsServer(Lab lab) throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        DiskLoad.run(daemon, "vhd", PROCESSES, KILLS, CHANGES, SEED);
        daemon.assertNoBug();
    }
}
