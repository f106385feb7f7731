package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.GuestShell;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.fixture.Md5Sums;
import io.xenemu.it.fixture.PerlControl;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A Linux guest mounts a folder that the service shares, with Linux's own driver.
@ExtendWith(LabExtension.class)
class P9BackendIT {
    private static final String GUEST = "sharer";
    private static final String FOLDER = "/run/p9share";
    private static final int ROUNDS = 5;

    private static final String MOUNT =
            "while ! mount -t 9p -o trans=xen,version=9p2000.L,msize=524288 data /mnt; do sleep 0.2; done";

    private static final Pattern COUNT = Pattern.compile("^count (\\d+)", Pattern.MULTILINE);

    @Test
    void guestMountsAFolderOfTheHost(Lab lab) throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        lab.shell(
                "rm -rf %1$s; mkdir -p %1$s/sub; dd if=/dev/urandom of=%1$s/big bs=1M count=4; ln -s ../.. %1$s/sub/up"
                        .formatted(FOLDER));
        List<String> image =
                LinuxImages.arguments(
                        lab,
                        "6.12",
                        Optional.empty(),
                        List.of(),
                        "--memory",
                        "256M",
                        "--vcpus",
                        "1");
        try (LabGuest guest = daemon.boot(GUEST, image)) {
            GuestShell shell = guest.shell();
            shell.awaitBoot();
            shell.run("modprobe 9pnet_xen; modprobe 9p; mkdir /mnt");
            attach(daemon);
            shell.run(MOUNT);
            files(lab, shell);
            String refused = daemon.ask("9pfs-detach sharer data");
            assertTrue(refused.startsWith("error: share data is mounted, with "), refused);
            assertEquals(
                    Md5Sums.in(lab.shell("md5sum " + FOLDER + "/big")), sum(shell, "/mnt/big"));
            shell.run("umount /mnt");
            assertEquals("ok\n", daemon.ask("9pfs-detach sharer data"));
            assertEquals("0 0", held(lab));

            for (int round = 0; round < ROUNDS; round++) {
                attach(daemon);
                shell.run(MOUNT);
                shell.run("echo %d >/mnt/round; umount /mnt".formatted(round));
                assertEquals(round + "\n", lab.shell("cat " + FOLDER + "/round"));
                assertEquals("ok\n", daemon.ask("9pfs-detach sharer data"));
            }
            assertEquals("0 0", held(lab));
            shell.assertNoComplaint();
        }
        daemon.assertNoBug();
    }

    private static void attach(LabDaemon daemon) throws IOException, InterruptedException {
        assertEquals(
                "ok\n",
                daemon.ask("9pfs-attach sharer " + PerlControl.word("tag=data,path=" + FOLDER)));
    }

    /// Reads, writes, lists, renames and removes files.
    private static void files(Lab lab, GuestShell shell) throws IOException, InterruptedException {
        assertEquals(Md5Sums.in(lab.shell("md5sum " + FOLDER + "/big")), sum(shell, "/mnt/big"));
        shell.run(
                "dd if=/dev/urandom of=/mnt/new bs=128k count=16 conv=fsync && mv /mnt/new /mnt/sub/renamed && sync");
        assertEquals(
                Md5Sums.in(lab.shell("md5sum " + FOLDER + "/sub/renamed")),
                sum(shell, "/mnt/sub/renamed"));
        // Several processes at a time, and more entries than one answer has.
        shell.run(
                "mkdir /mnt/many; cd /mnt/many; for p in 1 2 3 4; do (for i in $(seq 60); do echo $i >a-file-with-a-long-name-$p-$i; done) & done; wait; cd /root");
        assertEquals(240, count(shell, "ls /mnt/many | wc -l"));
        assertEquals("240\n", lab.shell("ls " + FOLDER + "/many | wc -l"));
        shell.run(
                "rm /mnt/many/*-1-*; ln -s big /mnt/link; chmod 640 /mnt/sub/renamed; truncate -s 100 /mnt/sub/renamed");
        assertEquals(180, count(shell, "ls /mnt/many | wc -l"));
        assertEquals(
                "big\n640 100\n",
                lab.shell(
                        "readlink %1$s/link; stat -c '%%a %%s' %1$s/sub/renamed"
                                .formatted(FOLDER)));
        // The guest follows links itself: this is its own root.
        assertEquals(1, count(shell, "ls /mnt/sub/up | grep -c '^shrc$'"));
    }

    /// The daemon's descriptors in the folder, and threads of shares.
    private static String held(Lab lab) throws IOException, InterruptedException {
        return lab.shell(
                        "echo $(ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c '%s') $(cat /proc/[0-9]*/task/*/comm 2>/dev/null | grep -c 9pfs)"
                                .formatted(FOLDER))
                .strip();
    }

    private static int count(GuestShell shell, String command)
            throws IOException, InterruptedException {
        String output = shell.run("echo count $(" + command + ")");
        Matcher matcher = COUNT.matcher(output);
        assertTrue(matcher.find(), output);
        return Integer.parseInt(matcher.group(1));
    }

    private static String sum(GuestShell shell, String file)
            throws IOException, InterruptedException {
        return Md5Sums.in(shell.run("md5sum " + file));
    }
}
