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
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// An unmodified Linux guest whose disk the service's engines serve.
@ExtendWith(LabExtension.class)
class EnginesIT {
    private static final String GUEST = "engines";
    private static final String IMAGE = "/run/engines.img";
    private static final String MAP = "block:1,block:0";
    private static final int CHANGES = 16;

    @Test
    void mapOfEnginesDecidesOnQueuesAndChangesUnderLoad(Lab lab)
            throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        lab.shell("dd if=/dev/urandom of=%s bs=1M count=16".formatted(IMAGE));
        List<String> options = new ArrayList<>(image(lab));
        options.addAll(List.of("--engines", MAP));
        try (LabGuest guest = daemon.boot(GUEST, options)) {
            guest.shell().awaitBoot();
            guest.shell().run("modprobe xen-blkfront");
            Disk disk = new Disk(daemon, guest.shell());
            disk.attach();
            assertEquals("2", disk.queues());
            disk.assertMap(MAP);
            String list = daemon.ask("engines-list " + GUEST);
            assertTrue(list.contains("block      0  block:1      yes      vbd-51712"), list);
            disk.changesUnderLoad();
            disk.refusals();
            disk.gap();
            disk.reboot();
            guest.shell().assertNoComplaint();
        }
        daemon.assertNoBug();
        lab.shell("rm " + IMAGE);
    }

    private static List<String> image(Lab lab) throws IOException, InterruptedException {
        return LinuxImages.arguments(
                lab, "6.12", Optional.empty(), "--memory", "256M", "--vcpus", "2");
    }

    private record Disk(LabDaemon daemon, GuestShell guest) {
        void attach() throws IOException, InterruptedException {
            String spec = PerlControl.word(IMAGE + ",raw,xvda,rw");
            assertEquals("ok\n", daemon.ask("block-attach %s %s".formatted(GUEST, spec)));
            guest.run("while ! test -b /dev/xvda; do sleep 0.1; done");
        }

        void detach() throws IOException, InterruptedException {
            assertEquals("ok\n", daemon.ask("block-detach %s xvda".formatted(GUEST)));
            guest.run("while test -e /dev/xvda; do sleep 0.1; done");
        }

        /// The queues that the guest uses.
        String queues() throws IOException, InterruptedException {
            String output = guest.run("echo queues=$(ls /sys/block/xvda/mq | wc -l)");
            Matcher matcher = Pattern.compile("^queues=(\\d+)", Pattern.MULTILINE).matcher(output);
            assertTrue(matcher.find(), output);
            return matcher.group(1);
        }

        private void set(String map) throws IOException, InterruptedException {
            assertEquals("ok\n", daemon.ask("engines-set %s %s".formatted(GUEST, map)));
        }

        /// Two processes of the guest write meanwhile. Nothing is lost, doubled or in another place.
        void changesUnderLoad() throws IOException, InterruptedException {
            guest.run(
                    "rm -f /tmp/stop; for part in 0 128; do (n=0; while ! test -e /tmp/stop; do"
                            + " dd if=/dev/urandom of=/dev/xvda bs=64k seek=$((part + n % 100)) count=8"
                            + " conv=notrunc,fsync 2>/dev/null; n=$((n + 8)); done) & done");
            for (int i = 0; i < CHANGES; i++) {
                set(i % 2 == 0 ? "block:0,block:1" : MAP);
            }
            String rows = daemon.ask("engines");
            assertTrue(rows.contains("|block:0 "), rows);
            guest.run("touch /tmp/stop; wait");
            assertSame();
            set(MAP);
        }

        private void assertSame() throws IOException, InterruptedException {
            String inGuest = guest.run("sync; echo 3 >/proc/sys/vm/drop_caches; md5sum /dev/xvda");
            assertEquals(Md5Sums.in(daemon.lab().shell("md5sum " + IMAGE)), Md5Sums.in(inGuest));
        }

        void refusals() throws IOException, InterruptedException {
            String reply = daemon.ask("engines-set %s block:77".formatted(GUEST));
            assertTrue(reply.contains("ENOENT: the service has no engine block:77"), reply);
            reply = daemon.ask("engines-set %s block".formatted(GUEST));
            assertTrue(reply.contains("EINVAL"), reply);
            assertMap(MAP);
        }

        private void assertMap(String map) throws IOException, InterruptedException {
            String list = daemon.ask("engines-list " + GUEST);
            assertTrue(list.contains("Map: " + map + "\n"), list);
        }

        /// Queues behind a gap are not offered to the guest when it connects again.
        void gap() throws IOException, InterruptedException {
            set("block:1,-,block:0");
            detach();
            attach();
            assertEquals("1", queues());
            assertSame();
        }

        /// A guest keeps its map over a reboot.
        void reboot() throws IOException, InterruptedException {
            assertEquals("ok\n", daemon.ask("reboot " + GUEST + " wait"));
            guest.awaitBoot();
            guest.run("modprobe xen-blkfront; while ! test -b /dev/xvda; do sleep 0.1; done");
            assertMap("block:1,-,block:0");
            assertEquals("1", queues());
            assertSame();
        }
    }
}
