package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.GuestShell;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.Md5Sums;
import io.xenemu.it.fixture.P9Load;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A Linux guest mounts folders that the service shares, with Linux's own driver.
@ExtendWith(LabExtension.class)
class P9BackendIT {
    private static final String FOLDER = P9Load.FOLDER;

    /// A few; `bin/soak p9` has many.
    private static final int ROUNDS = 3;

    private static final int PROCESSES = 2;
    private static final int OPERATIONS = 100;
    private static final int SEED = 9;

    /// Entries of a large directory, which needs many answers.
    private static final int ENTRIES = 20_000;

    @Test
    void guestMountsFoldersOfTheHost(Lab lab) throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        try (P9Load load = P9Load.boot(daemon)) {
            GuestShell shell = load.shell();
            mapped(lab, load);
            lab.shell(
                    "mkdir %1$s/sub; dd if=/dev/urandom of=%1$s/big bs=1M count=4; ln -s ../.. %1$s/sub/up"
                            .formatted(FOLDER));
            load.mount("", "");
            files(lab, load);
            load.check("open /mnt");
            load.files(PROCESSES, OPERATIONS, SEED);
            lab.shell(
                    "mkdir %1$s/large; cd %1$s/large; seq %2$d | xargs touch"
                            .formatted(FOLDER, ENTRIES));
            load.check("list /mnt/large " + ENTRIES);
            String refused = daemon.ask("9pfs-detach sharer data");
            assertTrue(refused.startsWith("error: share data is mounted, with "), refused);
            assertEquals(
                    Md5Sums.in(lab.shell("md5sum " + FOLDER + "/big")), sum(shell, "/mnt/big"));
            load.unmount();
            assertEquals("0 0", held(lab));

            load.mount("", ",cache=mmap");
            load.check("map /mnt");
            load.unmount();
            load.rounds(ROUNDS);
            assertEquals("0 0", held(lab));
            shell.assertNoComplaint();
            load.takeFromWriter();
            assertEquals("0 0", held(lab));
        }
        daemon.assertNoBug();
    }

    /// A share from the guest's start, whose owners and types are in attributes of the host's files.
    private static void mapped(Lab lab, P9Load load) throws IOException, InterruptedException {
        String output =
                load.shell()
                        .run(
                                "mkdir /mapped && mount -t 9p -o trans=xen,version=9p2000.L mapped /mapped && cd /mapped"
                                        + " && echo x >f && chown 5:6 f && chmod 4711 f && mknod null c 1 3 && ln -s a/b l"
                                        + " && stat -c '%F %a %u %g' f && stat -c '%F %t %T' null && readlink l; cd /; umount /mapped");
        List<String> expected =
                List.of("regular file 4711 5 6", "character special file 1 3", "a/b");
        assertTrue(output.lines().toList().containsAll(expected), output);
        assertEquals(
                "600 600 600\n",
                lab.shell("cd %s && echo $(stat -c %%a f null l)".formatted(P9Load.MAPPED)));
    }

    /// Reads, writes, lists, renames and removes files.
    private static void files(Lab lab, P9Load load) throws IOException, InterruptedException {
        GuestShell shell = load.shell();
        assertEquals(Md5Sums.in(lab.shell("md5sum " + FOLDER + "/big")), sum(shell, "/mnt/big"));
        shell.run(
                "dd if=/dev/urandom of=/mnt/new bs=128k count=16 conv=fsync && mv /mnt/new /mnt/sub/renamed && sync");
        assertEquals(
                Md5Sums.in(lab.shell("md5sum " + FOLDER + "/sub/renamed")),
                sum(shell, "/mnt/sub/renamed"));
        // Several processes at a time, and more entries than one answer has.
        shell.run(
                "mkdir /mnt/many; cd /mnt/many; for p in 1 2 3 4; do (for i in $(seq 30); do echo $i >a-file-with-a-long-name-$p-$i; done) & done; wait; cd /root");
        assertEquals(120, load.count("ls /mnt/many | wc -l"));
        assertEquals("120\n", lab.shell("ls " + FOLDER + "/many | wc -l"));
        shell.run(
                "rm /mnt/many/*-1-*; ln -s big /mnt/link; chmod 640 /mnt/sub/renamed; truncate -s 100 /mnt/sub/renamed");
        assertEquals(90, load.count("ls /mnt/many | wc -l"));
        assertEquals(
                "big\n640 100\n",
                lab.shell(
                        "readlink %1$s/link; stat -c '%%a %%s' %1$s/sub/renamed"
                                .formatted(FOLDER)));
        // The guest follows links itself: this is its own root.
        assertEquals(1, load.count("ls /mnt/sub/up | grep -c '^shrc$'"));
    }

    /// The daemon's descriptors in the folder, and threads of that share.
    private static String held(Lab lab) throws IOException, InterruptedException {
        return lab.shell(
                        "echo $(ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c '%s') $(cat /proc/[0-9]*/task/*/comm 2>/dev/null | grep -c 9pfs-1)"
                                .formatted(FOLDER))
                .strip();
    }

    private static String sum(GuestShell shell, String file)
            throws IOException, InterruptedException {
        return Md5Sums.in(shell.run("md5sum " + file));
    }
}
