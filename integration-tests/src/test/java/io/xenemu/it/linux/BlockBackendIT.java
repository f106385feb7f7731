package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// An unmodified Linux guest with disks that the service serves from files of the lab.
@ExtendWith(LabExtension.class)
class BlockBackendIT {
    private static final String GUEST = "disks";
    private static final String FOLDER = "/run/disks";
    private static final String IMAGE = FOLDER + "/a.img";
    private static final String OTHER = FOLDER + "/b.img";
    private static final int IMAGE_KIB = 4096;

    @Test
    void linuxUsesDisksOfTheService(Lab lab) throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        lab.shell(
                "mkdir -p %1$s; for f in %2$s %3$s; do dd if=/dev/urandom of=$f bs=1M count=4; done"
                        .formatted(FOLDER, IMAGE, OTHER));
        List<String> image =
                LinuxImages.arguments(
                        lab, "6.12", Optional.empty(), "--memory", "256M", "--vcpus", "2");
        try (LabGuest guest = daemon.boot(GUEST, image)) {
            guest.shell().awaitBoot();
            guest.shell().run("modprobe xen-blkfront");
            Disks disks = new Disks(lab, daemon, guest.shell());
            disks.wholeDisk();
            disks.fileSystem();
            disks.refusals();
            disks.readOnly();
            disks.growth();
            disks.reboot();
            guest.shell().assertNoComplaint();
        }
        daemon.assertNoBug();
        lab.shell("rm -r " + FOLDER);
    }

    private record Disks(Lab lab, LabDaemon daemon, GuestShell guest) {
        void attach(String spec, String vdev) throws IOException, InterruptedException {
            assertEquals(
                    "ok\n",
                    daemon.ask("block-attach %s %s".formatted(GUEST, PerlControl.word(spec))));
            guest.run("while ! test -b /dev/" + vdev + "; do sleep 0.1; done");
        }

        void detach(String vdev) throws IOException, InterruptedException {
            assertEquals("ok\n", daemon.ask("block-detach %s %s".formatted(GUEST, vdev)));
            guest.run("while test -e /dev/" + vdev + "; do sleep 0.1; done");
        }

        /// Both directions, with the features that Linux has found.
        void wholeDisk() throws IOException, InterruptedException {
            attach("file:" + IMAGE + ",xvda,w", "xvda");
            assertEquals(guestSum("/dev/xvda"), Md5Sums.in(lab.shell("md5sum " + IMAGE)));
            guest.run("dd if=/dev/urandom of=/dev/xvda bs=64k seek=7 count=32 conv=fsync");
            assertEquals(guestSum("/dev/xvda"), Md5Sums.in(lab.shell("md5sum " + IMAGE)));
            String queue =
                    guest.run(
                            "cd /sys/block/xvda; echo W=$(cat queue/write_cache) R=$(cat ro)"
                                    + " P=$(cat queue/physical_block_size)"
                                    + " S=$(cat queue/max_segments); cd /");
            assertTrue(queue.contains("\nW=write back R=0 P=4096 S=32"), queue);
            String row = daemon.ask("block-list " + GUEST);
            assertTrue(row.contains("|51712 0 "), row);
            assertTrue(row.contains("/local/domain/0/backend/vbd/"), row);
        }

        /// A file system, its flushes, and a discard that frees the host's blocks.
        void fileSystem() throws IOException, InterruptedException {
            guest.run("modprobe crc32c_generic; modprobe ext4; mke2fs /dev/xvda; mkdir -p /mnt");
            mount("xvda");
            guest.run("dd if=/dev/urandom of=/mnt/file bs=64k count=16 conv=fsync");
            String before = guestSum("/mnt/file");
            guest.run("umount /mnt");
            assertMeters("read", "write", "flush_diskcache");
            detach("xvda");
            attach(IMAGE + ",raw,xvdb,rw", "xvdb");
            mount("xvdb");
            assertEquals(before, guestSum("/mnt/file"));
            guest.run("umount /mnt");
            assertTrue(blocks() >= IMAGE_KIB, "all of the file is there");
            guest.run("blkdiscard /dev/xvdb");
            assertTrue(blocks() < IMAGE_KIB / 4, "the host has the blocks back");
            assertEquals(guestSum("/dev/xvdb"), Md5Sums.in(lab.shell("md5sum " + IMAGE)));
            assertMeters("discard");
        }

        private void mount(String vdev) throws IOException, InterruptedException {
            String output = guest.run("mount -t ext4 /dev/" + vdev + " /mnt && echo is mounted");
            assertTrue(output.contains("\nis mounted"), () -> output);
        }

        /// Requests of these operations have succeeded, and none has failed.
        private void assertMeters(String... ops) throws IOException, InterruptedException {
            List<String> meters =
                    daemon.scrape()
                            .lines()
                            .filter(line -> line.startsWith("xen_block_requests_total{"))
                            .toList();
            for (String op : ops) {
                assertTrue(
                        meters.stream()
                                .anyMatch(line ->
                                        line.contains("op=\"" + op + "\",result=\"okay\"")
                                                && !line.endsWith(" 0.0")),
                        () -> op + "\n" + meters);
            }
            assertTrue(
                    meters.stream().allMatch(line -> line.contains("result=\"okay\"")),
                    meters::toString);
        }

        private int blocks() throws IOException, InterruptedException {
            String size = lab.shell("du -k " + IMAGE + " | cut -f 1");
            return Integer.parseInt(size.strip());
        }

        void refusals() throws IOException, InterruptedException {
            refused(IMAGE + ",raw,xvdc,rw", IMAGE + " is in use");
            refused(IMAGE + ",raw,xvdc,ro", IMAGE + " is in use");
            refused("/no/such/file,raw,xvdc,rw", "/no/such/file: no such file");
            refused(FOLDER + ",raw,xvdc,rw", FOLDER + " is a directory, not a disk");
            assertEquals(
                    1,
                    daemon.ask("block-list " + GUEST)
                            .lines()
                            .skip(1)
                            .filter(line -> line.startsWith("|51"))
                            .count());
        }

        private void refused(String spec, String reason) throws IOException, InterruptedException {
            String reply =
                    daemon.ask("block-attach %s %s".formatted(GUEST, PerlControl.word(spec)));
            assertTrue(reply.contains(reason), reply);
        }

        void readOnly() throws IOException, InterruptedException {
            attach(OTHER + ",raw,xvdc,ro", "xvdc");
            String before = Md5Sums.in(lab.shell("md5sum " + OTHER));
            assertEquals(before, guestSum("/dev/xvdc"));
            String written =
                    guest.run("dd if=/dev/zero of=/dev/xvdc bs=4k count=1 || echo refused");
            assertTrue(written.contains("\nrefused"), written);
            assertEquals(before, Md5Sums.in(lab.shell("md5sum " + OTHER)));
            detach("xvdc");
        }

        /// The guest uses the disk meanwhile.
        void growth() throws IOException, InterruptedException {
            guest.run("exec 9</dev/xvdb");
            lab.shell("truncate -s 8M " + IMAGE);
            assertEquals("ok\n", daemon.ask("block-resize " + GUEST + " xvdb"));
            guest.run("while ! grep -q 16384 /sys/block/xvdb/size; do sleep 0.1; done; exec 9<&-");
            guest.run("dd if=/dev/urandom of=/dev/xvdb bs=64k seek=120 count=8 conv=fsync");
            assertEquals(guestSum("/dev/xvdb"), Md5Sums.in(lab.shell("md5sum " + IMAGE)));
        }

        /// A guest that reboots has its disk again; the image's lock does not stand in the way.
        void reboot() throws IOException, InterruptedException {
            guest.run("dd if=/dev/urandom of=/dev/xvdb bs=64k count=16 conv=fsync");
            String before = guestSum("/dev/xvdb");
            int domain = daemon.id(GUEST);
            assertEquals("ok\n", daemon.ask("reboot " + GUEST + " wait"));
            guest.awaitBoot();
            assertNotEquals(domain, daemon.id(GUEST));
            guest.run("modprobe xen-blkfront; while ! test -b /dev/xvdb; do sleep 0.1; done");
            assertEquals(before, guestSum("/dev/xvdb"));
            detach("xvdb");
        }

        private String guestSum(String file) throws IOException, InterruptedException {
            return Md5Sums.in(guest.run("sync; echo 3 >/proc/sys/vm/drop_caches; md5sum " + file));
        }
    }
}
