package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.GuestShell;
import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.fixture.Md5Sums;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.PerlControl;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// An unmodified Linux guest on a qcow2 image, whose qemu-nbd is killed.
@Needs(HostPackage.QEMU_UTILS)
@ExtendWith(LabExtension.class)
class NbdBackendIT {
    private static final String GUEST = "qcow2";
    private static final String FOLDER = "/run/qcow2";
    private static final String IMAGE = FOLDER + "/disk.qcow2";

    @Test
    void killOfQemuNbdLosesNothingThatLinuxHasWritten(Lab lab)
            throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        lab.shell(
                "mkdir -p %s; qemu-img create -q -f qcow2 %s 64M; ! pidof qemu-nbd"
                        .formatted(FOLDER, IMAGE));
        List<String> image =
                LinuxImages.arguments(
                        lab, "6.12", Optional.empty(), "--memory", "256M", "--vcpus", "1");
        try (LabGuest guest = daemon.boot(GUEST, image)) {
            GuestShell shell = guest.shell();
            shell.awaitBoot();
            shell.run("modprobe xen-blkfront; dd if=/dev/urandom of=/tmp/data bs=1M count=8");
            String spec = IMAGE + ",qcow2,xvda,w";
            String again = "block-attach %s %s".formatted(GUEST, PerlControl.word(spec));
            assertEquals("ok\n", daemon.ask(again));
            shell.run("while ! test -b /dev/xvda; do sleep 0.1; done");

            // Direct writes end with the server's acknowledgement, and nothing flushes.
            shell.run("((dd if=/tmp/data of=/dev/xvda bs=64k oflag=direct; echo $? >/tmp/rc) &)");
            lab.shell(
                    "until test $(du -k %s | cut -f 1) -gt 3000; do sleep 0.05; done; %s"
                            .formatted(IMAGE, kill()));
            shell.run("until test -s /tmp/rc; do sleep 0.1; done");
            assertTrue(shell.run("echo dd=$(cat /tmp/rc)").contains("\ndd=0"));
            lab.shell("until pidof qemu-nbd; do sleep 0.05; done; " + kill());

            String written = Md5Sums.in(shell.run("md5sum /tmp/data"));
            String read = "dd if=/dev/xvda bs=64k count=128 iflag=direct 2>/dev/null | md5sum";
            assertEquals(written, Md5Sums.in(shell.run(read)));
            daemon.awaitMeter(
                    "xen_nbd_restarts_total{device=\"51712\",domain=\"%d\"}".formatted(guest.id()),
                    "2.0");
            assertTrue(daemon.ask(again.replace("xvda", "xvdb")).contains("qemu-nbd cannot serve"));

            assertEquals("ok\n", daemon.ask("block-detach " + GUEST + " xvda"));
            lab.shell("while pidof qemu-nbd; do sleep 0.1; done; qemu-img check -q " + IMAGE);
            assertEquals(
                    written,
                    Md5Sums.in(
                            lab.shell(
                                    "qemu-img dd -f qcow2 -O raw if=%s of=%s/raw bs=64k count=128; md5sum <%s/raw"
                                            .formatted(IMAGE, FOLDER, FOLDER))));
            shell.assertNoComplaint();
        }
        daemon.assertNoBug();
        lab.shell("rm -r " + FOLDER);
    }

    private static String kill() {
        return "kill -9 $(pidof qemu-nbd)";
    }
}
