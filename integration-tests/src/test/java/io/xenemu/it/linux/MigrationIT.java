package io.xenemu.it.linux;

import static io.xenemu.it.fixture.MigrateLoad.Move.LIVE;
import static io.xenemu.it.fixture.MigrateLoad.Move.POST_COPY;
import static io.xenemu.it.fixture.MigrateLoad.Move.UPGRADE;

import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.MigrateLoad;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/// A running Linux guest moves between two services, of which one is upgraded.
@Needs(HostPackage.XENSTORE_UTILS)
@ExtendWith(LabExtension.class)
@Timeout(1800) // seven moves and three upgrades: 520 s on two quiet cores
class MigrationIT {
    /// Four live migrations, besides that of two guests in [VchanIT], three whose pages follow, and three upgrades, of
    /// a guest that has come by each.
    private static final List<MigrateLoad.Move> MOVES =
            List.of(
                    LIVE, UPGRADE, LIVE, POST_COPY, UPGRADE, POST_COPY, LIVE, UPGRADE, POST_COPY,
                    LIVE);

    private static final int PORT = 9107;

    @Test
    void linuxDoesNotNoticeThatItMoves(Lab lab) throws IOException, InterruptedException {
        System.out.println(MigrateLoad.run(LabDaemon.shared(lab), PORT, MOVES));
    }
}
