package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.lab.GuestProgram;
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
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// One Linux guest serves a disk and a network interface to another one, with Linux's own drivers on both sides.
@Needs(HostPackage.XENSTORE_UTILS)
@ExtendWith(LabExtension.class)
class DriverDomainIT {
    private static final String SERVER = "server";
    private static final String USER = "user";
    private static final String SAVED = "/run/user.saved";
    private static final int RETRIES = 3;

    /// Size of the disk: many times what its ring holds at once.
    private static final String DISK_KIB = "8192";

    @Test
    void oneGuestServesAnothersDiskAndNetworkInterface(Lab lab)
            throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        List<String> image = image(lab);
        try (LabGuest server = daemon.boot(SERVER, image)) {
            server.shell().awaitBoot();
            server.shell()
                    .run(
                            "modprobe brd rd_nr=1 rd_size="
                                    + DISK_KIB
                                    + " max_part=0; modprobe xen-blkback; modprobe xen-netback;"
                                    + " dd if=/dev/urandom of=/dev/ram0 bs=1M; sync;"
                                    + " (driver-domain >/tmp/log 2>&1 &)");
            try (LabGuest user = daemon.boot(USER, image)) {
                user.shell().awaitBoot();
                user.shell().run("modprobe xen-blkfront; modprobe xen-netfront");
                new Pair(daemon, server.id(), user.id(), server.shell(), user.shell()).serve();
            }
            server.shell().assertNoComplaint();
        }
        daemon.assertNoBug();
    }

    /// The two guests.
    private record Pair(
            LabDaemon daemon, int serverId, int userId, GuestShell server, GuestShell user) {
        void serve() throws IOException, InterruptedException {
            disk();
            network();
            user.assertNoComplaint();
            reboot();
            saved();
            endOfTheUser();
        }

        void disk() throws IOException, InterruptedException {
            attach(() ->
                    cli(daemon, "block-attach", USER, "/dev/ram0,raw,xvda,rw,backend=" + SERVER));
            user.run("while ! test -b /dev/xvda; do sleep 0.2; done");
            assertEquals(sum(server, "/dev/ram0"), sum(user, "/dev/xvda"));
            user.run("dd if=/dev/urandom of=/dev/xvda bs=1M seek=3 count=4 conv=fsync");
            assertEquals(sum(user, "/dev/xvda"), sum(server, "/dev/ram0"));
            String row = daemon.ask("block-list " + USER).lines().skip(1).findFirst().orElse("");
            assertTrue(
                    row.matches(
                            "\\|51712 %1$d +%2$d +4 .*/local/domain/%1$d/backend/vbd/%2$d/51712"
                                    .formatted(serverId, userId)),
                    row);

            assertEquals("ok\n", daemon.ask("block-detach user xvda"));
            user.run("while test -e /dev/xvda; do sleep 0.2; done");
            attach(() ->
                    daemon.ask(
                            "block-attach user "
                                    + PerlControl.word("/dev/ram0,,xvdb,ro,backend=server")));
            user.run("while ! test -b /dev/xvdb; do sleep 0.2; done");
            assertTrue(user.run("cat /sys/block/xvdb/ro").contains("\n1"));
            assertEquals(sum(server, "/dev/ram0"), sum(user, "/dev/xvdb"));
            assertEquals("ok\n", daemon.ask("block-detach user xvdb"));
            assertEquals("", devices());
        }

        void network() throws IOException, InterruptedException {
            String mac = "00:16:3e:01:02:03";
            attach(() ->
                    daemon.ask(
                            "network-attach user "
                                    + PerlControl.word("mac=" + mac + ",backend=server")));
            user.run("while ! ifconfig eth0 10.0.0.2 netmask 255.255.255.0 up; do sleep 0.2; done");
            // Linux sends nothing until it has seen the carrier, on both sides, a moment after the
            // interface is up.
            user.run("while ! ping -c 1 -W 1 10.0.0.1; do :; done");
            String ping = user.run("ping -c 10 -i 0.2 -w 60 10.0.0.1");
            assertTrue(ping.contains(" 0% packet loss"), ping);
            assertTrue(user.run("ifconfig eth0").toLowerCase(Locale.ROOT).contains(mac));
            // From the one to the other, and back.
            server.run(
                    "dd if=/dev/urandom of=/tmp/file bs=1M count=4; (nc -l -p 5000 </tmp/file &)");
            user.run("while ! nc 10.0.0.1 5000 >/tmp/file; do sleep 0.2; done");
            assertEquals(sum(server, "/tmp/file"), sum(user, "/tmp/file"));
            user.run("dd if=/dev/urandom of=/tmp/file bs=1M count=4; (nc -l -p 5000 </tmp/file &)");
            server.run("while ! nc 10.0.0.2 5000 >/tmp/back; do sleep 0.2; done");
            assertEquals(sum(user, "/tmp/file"), sum(server, "/tmp/back"));
            String row = daemon.ask("network-list user").lines().skip(1).findFirst().orElse("");
            assertTrue(
                    row.matches(
                            "\\|0 +%1$d +%3$s +0 +4 .*/local/domain/%1$d/backend/vif/%2$d/0"
                                    .formatted(serverId, userId, mac)),
                    row);

            assertEquals("ok\n", daemon.ask("network-detach user " + PerlControl.word(mac)));
            user.run("while test -e /sys/class/net/eth0; do sleep 0.2; done");
            assertEquals("", devices());
        }

        /// A guest that reboots has its disk again, in a domain of a new number.
        void reboot() throws IOException, InterruptedException {
            attach(() ->
                    daemon.ask(
                            "block-attach user "
                                    + PerlControl.word("/dev/ram0,,xvda,,backend=server")));
            user.run("while ! test -b /dev/xvda; do sleep 0.2; done");
            assertEquals("ok\n", daemon.ask("reboot user wait"));
            user.awaitBoot();
            user.run("modprobe xen-blkfront; while ! test -b /dev/xvda; do sleep 0.2; done");
            assertEquals(sum(server, "/dev/ram0"), sum(user, "/dev/xvda"));
            String row = daemon.ask("block-list user").lines().skip(1).findFirst().orElse("");
            int newId = daemon.id(USER);
            assertTrue(newId > userId, "domain id " + newId);
            assertTrue(
                    row.endsWith(
                            " /local/domain/%d/backend/vbd/%d/51712".formatted(serverId, newId)),
                    row);
        }

        /// A guest with a device of a driver domain takes part in its save, and has the device again.
        void saved() throws IOException, InterruptedException {
            String sum = sum(user, "/dev/xvda");
            Lab.Result refused = daemon.exec("save", List.of(USER, SAVED));
            assertEquals(1, refused.exitCode(), refused::toString);
            assertTrue(
                    refused.stderr()
                            .contains(
                                    "devices of other domains: dom%d serves vbd 51712"
                                            .formatted(serverId)),
                    refused::toString);
            assertTrue(
                    refused.stderr().contains("user can take part instead: save --suspend"),
                    refused::toString);
            int id = daemon.id(USER);
            // Its console ends with it, and so does the shell's.
            assertEquals("ok\n", daemon.ask("save user " + SAVED + " suspend"));
            assertEquals("ok\n", daemon.ask("restore " + SAVED + " paused"));
            try (RunningCommand console = daemon.console(USER)) {
                assertEquals("ok\n", daemon.ask("unpause user"));
                assertEquals(id, daemon.id(USER));
                GuestShell again = new GuestShell(console);
                assertEquals(sum, sum(again, "/dev/xvda"));
                again.run("dd if=/dev/urandom of=/dev/xvda bs=1M seek=1 count=2 conv=fsync");
                assertEquals(sum(again, "/dev/xvda"), sum(server, "/dev/ram0"));
                assertTrue(again.run("nproc; date +%s").contains("\n1"));
                again.assertNoComplaint();
            } finally {
                daemon.lab().shell("rm -f " + SAVED);
            }
        }

        /// A domain that ends leaves nothing at the driver domain that served it.
        void endOfTheUser() throws IOException, InterruptedException {
            assertEquals("ok\n", daemon.ask("destroy user"));
            daemon.xenStore(
                    "while xenstore-exists /local/domain/"
                            + serverId
                            + "/backend; do sleep 0.2; done");
            String log = server.run("cat /tmp/log; rmmod xen-blkback && echo unused");
            assertTrue(log.contains("\nunused"), log);
        }

        /// The nodes of devices that there are.
        private String devices() throws IOException, InterruptedException {
            return daemon.xenStore(
                    "xenstore-ls -f | grep -E '^(/libxl/|/local/domain/(%d|%d)/(backend|device/v))' || :"
                            .formatted(serverId, userId));
        }
    }

    private interface Attach {
        String send() throws IOException, InterruptedException;
    }

    /// A loaded lab may take longer than xl waits; then nothing is left, and it can be tried again.
    private static void attach(Attach command) throws IOException, InterruptedException {
        String reply = command.send();
        for (int retry = 0; retry < RETRIES && reply.contains("has not taken"); retry++) {
            reply = command.send();
        }
        assertEquals("ok\n", reply);
    }

    /// The reply of a verb on the command line, in the control socket's words.
    private static String cli(LabDaemon daemon, String verb, String... words)
            throws IOException, InterruptedException {
        Lab.Result result = daemon.exec(verb, List.of(words));
        return result.exitCode() == 0 ? result.stdout() + "ok\n" : result.toString();
    }

    private static String sum(GuestShell guest, String file)
            throws IOException, InterruptedException {
        return Md5Sums.in(guest.run("sync; echo 3 >/proc/sys/vm/drop_caches; md5sum " + file));
    }

    private static List<String> image(Lab lab) throws IOException {
        List<GuestProgram> programs = new ArrayList<>();
        programs.add(GuestProgram.of(Path.of("src/guest/linux/driver-domain")));
        for (String tool : List.of("read", "write", "rm", "watch")) {
            programs.add(lab.images().xenstoreTool("xenstore-" + tool));
        }
        return LinuxImages.arguments(
                lab, "6.12", Optional.empty(), programs, "--memory", "256M", "--vcpus", "1");
    }
}
