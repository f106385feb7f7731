package io.xenemu.it.linux;

import io.xenemu.core.lab.CacheFolder;
import io.xenemu.it.fixture.BootDisk;
import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.SmallDisk;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A guest without a kernel of the host: GRUB finds one on the guest's own disk. `bin/soak disk` does the same
/// with Debian on a qcow2 image.
@Needs({HostPackage.GRUB_XEN, HostPackage.FDISK, HostPackage.IPROUTE})
@ExtendWith(LabExtension.class)
class DiskBootIT {
    private static final String MEMORY = "256M";

    @Test
    void diskBootsByItsOwnLoaderAndTakesItsNewKernelAtTheNextReboot(Lab lab)
            throws IOException, InterruptedException {
        Path guests = Files.createDirectories(Path.of("target/guests").toAbsolutePath());
        Path folder = Files.createTempDirectory(guests, "disk-");
        try {
            SmallDisk.make(lab.images(), folder)
                    .play(LabDaemon.shared(lab), BootDisk.Format.RAW, MEMORY);
        } finally {
            CacheFolder.deleteTree(folder);
        }
    }
}
