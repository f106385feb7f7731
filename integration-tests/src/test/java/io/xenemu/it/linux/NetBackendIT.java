package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.GuestShell;
import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabBridge;
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
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// The service serves a network interface to an unmodified Linux guest, on a bridge of the lab machine.
@Needs({HostPackage.XENSTORE_UTILS, HostPackage.IPROUTE})
@ExtendWith(LabExtension.class)
class NetBackendIT {
    private static final String GUEST = "net-user";
    private static final String BRIDGE = "xebr0";
    private static final String HOST_IP = "10.77.0.1";
    private static final String GUEST_IP = "10.77.0.2";
    private static final String MAC = "00:16:3e:0a:0b:0c";
    private static final int MIB = 2;

    /// An Ethernet frame of the usual MTU.
    private static final double PLAIN_FRAME = 1514;

    /// Connects and gives what comes.
    private static final String PERL_CLIENT =
            "perl -MIO::Socket::INET -e '$c = IO::Socket::INET->new(shift) or die \"$!\";"
                    + " print while read $c, $_, 65536' ";

    /// Takes a connection and sends a file.
    private static final String PERL_SENDER =
            "perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 1, ReuseAddr => 1,"
                    + " LocalAddr => shift, LocalPort => shift) or die; open F, shift or die;"
                    + " $c = $s->accept; print $c $_ while read F, $_, 65536' ";

    @Test
    void aGuestHasANetworkThroughTheServiceWithAndWithoutOffloads(Lab lab)
            throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        LabBridge.add(lab, BRIDGE, HOST_IP + "/24");
        try (LabGuest guest =
                daemon.boot(
                        GUEST,
                        LinuxImages.arguments(
                                lab,
                                "6.12",
                                Optional.empty(),
                                "--memory",
                                "256M",
                                "--vcpus",
                                "1"))) {
            guest.shell().awaitBoot();
            Pair pair = new Pair(lab, daemon, guest.id(), guest.shell());
            pair.withOffloads();
            pair.linkDownAndUp();
            pair.detached();
            pair.withoutOffloads();
            pair.detached();
            guest.shell().assertNoComplaint();
        } finally {
            LabBridge.remove(lab, BRIDGE);
        }
        daemon.assertNoBug();
    }

    /// The guest and the machine that it talks to.
    private record Pair(Lab lab, LabDaemon daemon, int id, GuestShell guest) {
        void withOffloads() throws IOException, InterruptedException {
            attach();
            guest.run("modprobe xen-netfront");
            up();
            String row = daemon.ask("network-list " + GUEST).lines().skip(1).findFirst().orElse("");
            assertTrue(
                    row.matches(
                            "\\|0 +0 +%s +0 +4 .*/local/domain/0/backend/vif/%d/0"
                                    .formatted(MAC, id)),
                    row);
            // Both ends hand over frames of many segments.
            assertLarge(true, "tx", () -> fromTheGuest(5000));
            assertLarge(true, "rx", () -> toTheGuest(5001));
        }

        /// The back end's features off for what the guest sends, and no segmentation by the host.
        void withoutOffloads() throws IOException, InterruptedException {
            guest.run("rmmod xen-netfront");
            attach();
            String path = "/local/domain/0/backend/vif/" + id + "/0/";
            daemon.xenStore(
                    "for f in sg gso-tcpv4 gso-tcpv6 ipv6-csum-offload; do xenstore-write "
                            + path
                            + "feature-$f 0; done; ip link set "
                            + BRIDGE
                            + " gso_max_segs 1");
            guest.run("modprobe xen-netfront");
            up();
            assertLarge(false, "tx", () -> fromTheGuest(5000));
            assertLarge(false, "rx", () -> toTheGuest(5001));
        }

        private void attach() throws IOException, InterruptedException {
            String spec = PerlControl.word("mac=" + MAC + ",bridge=" + BRIDGE);
            assertEquals("ok\n", daemon.ask("network-attach " + GUEST + " " + spec));
        }

        private void up() throws IOException, InterruptedException {
            guest.run(
                    "while ! ifconfig eth0 "
                            + GUEST_IP
                            + " netmask 255.255.255.0 up; do sleep 0.2; done");
            guest.run("while ! ping -c 1 -W 1 " + HOST_IP + "; do :; done");
            String ping = guest.run("ping -c 5 -i 0.2 -w 60 " + HOST_IP);
            assertTrue(ping.contains(" 0% packet loss"), ping);
        }

        private interface Transfer {
            void run() throws IOException, InterruptedException;
        }

        /// Compares the mean frame of a transfer with a plain one. Acknowledgements go in the other direction.
        private void assertLarge(boolean isLarge, String direction, Transfer transfer)
                throws IOException, InterruptedException {
            String before = daemon.scrape();
            transfer.run();
            String after = daemon.scrape();
            double bytes = meter(after, "bytes", direction) - meter(before, "bytes", direction);
            double frames = meter(after, "frames", direction) - meter(before, "frames", direction);
            assertEquals(
                    isLarge,
                    bytes / frames > PLAIN_FRAME,
                    () -> direction + ": " + bytes + " bytes in " + frames + " frames");
        }

        /// The guest sends; the machine connects.
        private void fromTheGuest(int port) throws IOException, InterruptedException {
            guest.run(
                    "dd if=/dev/urandom of=/tmp/file bs=1M count=%d; (nc -l -p %d </tmp/file &)"
                            .formatted(MIB, port));
            String received =
                    lab.shell(
                            "until test -s /tmp/net-in; do %s %s:%d >/tmp/net-in || sleep 0.2; done; md5sum /tmp/net-in; rm /tmp/net-in"
                                    .formatted(PERL_CLIENT, GUEST_IP, port));
            assertEquals(Md5Sums.in(guest.run("md5sum /tmp/file")), Md5Sums.in(received));
        }

        /// The machine sends; the guest connects.
        private void toTheGuest(int port) throws IOException, InterruptedException {
            String sent =
                    lab.shell(
                            "dd if=/dev/urandom of=/tmp/net-out bs=1M count=%d 2>/dev/null; md5sum /tmp/net-out"
                                    .formatted(MIB));
            try (RunningCommand sender =
                    lab.startRunning(
                            List.of(
                                    "sh",
                                    "-c",
                                    "%s %s %d /tmp/net-out"
                                            .formatted(PERL_SENDER, HOST_IP, port)))) {
                guest.run(
                        "until test -s /tmp/in; do nc %s %d >/tmp/in </dev/null || sleep 0.2; done"
                                .formatted(HOST_IP, port));
                assertEquals(0, sender.awaitExit());
            }
            assertEquals(Md5Sums.in(sent), Md5Sums.in(guest.run("md5sum /tmp/in; rm /tmp/in")));
        }

        void linkDownAndUp() throws IOException, InterruptedException {
            guest.run("ifconfig eth0 down");
            up();
        }

        void detached() throws IOException, InterruptedException {
            assertEquals("ok\n", daemon.ask("network-detach " + GUEST + " 0"));
            guest.run("while test -e /sys/class/net/eth0; do sleep 0.2; done");
            assertEquals("", lab.shell("ls /sys/class/net | grep '^vif" + id + "' || :"), "taps");
            assertEquals(
                    "",
                    daemon.xenStore(
                            "xenstore-ls -f | grep -E '/vif|backend/' | grep -v console || :"));
        }

        private double meter(String meters, String what, String direction) {
            Matcher matcher =
                    Pattern.compile(
                                    "^xen_net_%s_total\\{device=\"0\",direction=\"%s\",domain=\"%d\",queue=\"0\"\\} ([0-9.E]+)$"
                                            .formatted(what, direction, id),
                                    Pattern.MULTILINE)
                            .matcher(meters);
            assertTrue(matcher.find(), meters);
            return Double.parseDouble(matcher.group(1));
        }
    }
}
