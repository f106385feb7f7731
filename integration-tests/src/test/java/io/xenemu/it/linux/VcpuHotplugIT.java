package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Linux uses as many of its vCPUs as an operator wants.
@Needs(HostPackage.XENSTORE_UTILS)
@ExtendWith(LabExtension.class)
class VcpuHotplugIT {
    @Test
    void linuxUsesAsManyVcpusAsItIsGivenAlsoAfterAReboot(Lab lab)
            throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        try (LabGuest guest =
                daemon.boot(
                        "hotplug",
                        LinuxImages.arguments(
                                lab,
                                "6.12",
                                Optional.empty(),
                                "--vcpus",
                                "1",
                                "--maxvcpus",
                                "3"))) {
            guest.shell().awaitBoot();
            awaitVcpus(daemon, guest, 1);
            for (int vcpus : new int[] {3, 1, 2}) {
                assertEquals("ok\n", daemon.ask("vcpu-set hotplug " + vcpus));
                awaitVcpus(daemon, guest, vcpus);
            }
            guest.shell().assertNoComplaint();
            assertEquals("ok\n", daemon.ask("reboot hotplug"));
            guest.shell().awaitBoot();
            awaitVcpus(daemon, guest, 2);
            assertEquals("ok\n", daemon.ask("shutdown hotplug wait"));
            guest.awaitEnd("poweroff");
        }
    }

    private static void awaitVcpus(LabDaemon daemon, LabGuest guest, int vcpus)
            throws IOException, InterruptedException {
        // Linux takes CPUs away by itself; new ones are put online by udev, which this guest lacks.
        String output =
                guest.shell()
                        .run(
                                "for i in $(seq 100); do test $(nproc) = "
                                        + vcpus
                                        + " && break; for c in /sys/devices/system/cpu/cpu*/online;"
                                        + " do echo 1 > $c; done; sleep 0.2; done 2>/dev/null; nproc");
        assertTrue(output.lines().anyMatch(Integer.toString(vcpus)::equals), output);
        String rows = daemon.ask("vcpu-list hotplug");
        long up =
                rows.lines()
                        .filter(row -> row.contains("hotplug ") && !row.contains("--p"))
                        .count();
        assertEquals(vcpus, up, rows);
    }
}
