package io.xenemu.it.linux;

import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.MigrateLoad;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A running Linux guest moves between two services.
@Needs(HostPackage.XENSTORE_UTILS)
@ExtendWith(LabExtension.class)
class MigrationIT {
    private static final List<MigrateLoad.Move> MOVES =
            Collections.nCopies(3, MigrateLoad.Move.LIVE);

    private static final int PORT = 9107;

    @Test
    void linuxDoesNotNoticeThatItMoves(Lab lab) throws IOException, InterruptedException {
        System.out.println(MigrateLoad.run(LabDaemon.shared(lab), PORT, MOVES));
    }
}
