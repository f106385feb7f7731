package io.xenemu.it.linux;

import io.xenemu.it.fixture.CloneLoad;
import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.SaveLoad;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A running Linux guest is saved and restored.
@Needs(HostPackage.XENSTORE_UTILS)
@ExtendWith(LabExtension.class)
class SaveRestoreIT {
    /// `bin/soak save` has many.
    private static final int TIMES = 3;

    @Test
    void linuxDoesNotNoticeThatItIsSavedAndRestored(Lab lab)
            throws IOException, InterruptedException {
        SaveLoad.run(LabDaemon.shared(lab), TIMES);
    }

    @Test
    void linuxThatTakesPartGoesOnAsItselfAndInClones(Lab lab)
            throws IOException, InterruptedException {
        CloneLoad.run(LabDaemon.shared(lab));
    }
}
