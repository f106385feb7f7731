package io.xenemu.it.linux;

import io.xenemu.it.fixture.CloneLoad;
import io.xenemu.it.fixture.FrontSaveLoad;
import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.SaveLoad;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A running guest is saved and restored.
@Needs({
    HostPackage.GCC,
    HostPackage.LIBC,
    HostPackage.LINUX_HEADERS,
    HostPackage.XEN_HEADERS,
    HostPackage.XENSTORE_UTILS
})
@ExtendWith(LabExtension.class)
class SaveRestoreIT {
    /// Saved by each of three services, and restored by the next. `bin/soak save` has many cycles.
    private static final int TIMES = 3;

    private static final int SECOND_PORT = 9109;
    private static final int THIRD_PORT = 9110;

    @Test
    void linuxDoesNotNoticeThatItGoesFromOneServiceToTheNext(Lab lab)
            throws IOException, InterruptedException {
        try (LabDaemon second = LabDaemon.start(lab, "/run/save-second", SECOND_PORT);
                LabDaemon third = LabDaemon.start(lab, "/run/save-third", THIRD_PORT)) {
            SaveLoad.run(List.of(LabDaemon.shared(lab), second, third), SaveLoad.Abi.FIFO, TIMES);
        }
    }

    @Test
    void linuxThatTakesPartGoesOnAsItselfAndInClones(Lab lab)
            throws IOException, InterruptedException {
        CloneLoad.run(LabDaemon.shared(lab));
    }

    @Test
    void guestOf32BitsGoesOnWithItsTimerAndItsDevices(Lab lab)
            throws IOException, InterruptedException {
        Path folder = Path.of("target/narrow-guests").toAbsolutePath();
        FrontSaveLoad.run(LabDaemon.shared(lab), folder);
    }
}
